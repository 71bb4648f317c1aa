import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export interface NanoTools extends TargetTools {
  readonly ncurses: Derivation
}

export function nano(lock: Lock, { ncurses, ...tools }: NanoTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'nano',
    version: pinnedVersion(lock, 'nano'),
    description: 'Small text editor that shows its own keys',
    license: 'GPL-3.0-or-later',
    homepage: 'https://www.nano-editor.org/',
    config: ['nanorc'],
    libraries: { ncurses },
    inputs: { source: pinned(lock, 'nano') },
    script: build,
  })
}

// The user's copy of nanorc outlives this version, so it names the profile and not the store.
const build = `
tar -xf "$source" --strip-components=1
./configure --build=$host --host=$host --prefix="$out" --sysconfdir=/etc --enable-utf8 --disable-nls --disable-libmagic \\
  NCURSESW_CFLAGS="$CPPFLAGS" NCURSESW_LIBS=-lncursesw >/dev/null
make -s -j"$BUILD_CORES" >/dev/null
make -s install >/dev/null
mkdir -p "$out/etc"
echo 'include /mix/profiles/system/current/share/nano/*.nanorc' >"$out/etc/nanorc"
`
