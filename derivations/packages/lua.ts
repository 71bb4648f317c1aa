import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export function lua(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'lua',
    version: pinnedVersion(lock, 'lua'),
    description: 'Small scripting language: interpreter and compiler',
    license: 'MIT',
    homepage: 'https://www.lua.org/',
    inputs: { source: pinned(lock, 'lua') },
    script: build,
  })
}

// Modules come from other packages, so they are looked for in the profile.
const build = `
tar -xf "$source" --strip-components=1
sed -i 's|^#define LUA_ROOT.*|#define LUA_ROOT "/mix/profiles/system/current/"|' src/luaconf.h
grep -q '"/mix/profiles' src/luaconf.h
make -s -C src -j"$BUILD_CORES" lua luac CC="$CC" AR="$AR rc" RANLIB="$RANLIB" \\
  MYCFLAGS="-DLUA_USE_POSIX -DLUA_USE_DLOPEN -fstack-protector-strong" MYLDFLAGS=-Wl,-E
mkdir -p "$out/bin"
cp src/lua src/luac "$out/bin/"
`
