import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export function zlib(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'zlib',
    // Debian's says what it once was taken for.
    version: pinnedVersion(lock, 'zlib').replace(/^.*really/, ''),
    description: 'Compression library for the deflate format of gzip and PNG',
    license: 'Zlib',
    homepage: 'https://zlib.net/',
    inputs: { source: pinned(lock, 'zlib') },
    outputs: ['out', 'dev'],
    script: `
tar -xf "$source" --strip-components=1
./configure --prefix="$out" --shared
make -s -j"$BUILD_CORES" shared
make -s install-libs
mkdir -p "$out/include"
cp zlib.h zconf.h "$out/include/"
rm "$out"/lib/*.a
`,
  })
}
