import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export function strace(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'strace',
    version: pinnedVersion(lock, 'strace'),
    description: 'Shows the system calls that a program makes',
    license: 'LGPL-2.1-or-later',
    homepage: 'https://strace.io/',
    inputs: { source: pinned(lock, 'strace') },
    script: build,
  })
}

// Programs of 32 bits, which mpers is for, do not run here.
const build = `
tar -xf "$source" --strip-components=1
./configure --build=$host --host=$host --prefix="$out" --enable-mpers=no --enable-bundled=yes --disable-gcc-Werror \\
  --disable-dependency-tracking --without-libunwind --without-libdw --without-libselinux >/dev/null
make -s -j"$BUILD_CORES" >/dev/null
make -s install >/dev/null
rm -f "$out/bin/strace-log-merge"
`
