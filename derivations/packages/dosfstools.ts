import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export function dosfstools(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'dosfstools',
    version: pinnedVersion(lock, 'dosfstools'),
    description: 'Makes, checks and labels FAT file systems',
    license: 'GPL-3.0-or-later',
    homepage: 'https://github.com/dosfstools/dosfstools',
    inputs: { source: pinned(lock, 'dosfstools') },
    script: build,
  })
}

// mkdosfs is one of BusyBox's names too.
const build = `
tar -xf "$source" --strip-components=1
./configure --build=$host --host=$host --prefix="$out" --sbindir="$out/bin" --without-iconv --enable-compat-symlinks >/dev/null
make -s -j"$BUILD_CORES" >/dev/null
make -s install >/dev/null
rm "$out/bin/mkdosfs"
`
