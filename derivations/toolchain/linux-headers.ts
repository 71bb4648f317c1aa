import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { script } from '../build-support/script.ts'

/** The kernel's interface as C headers, in `include/`. */
export function linuxHeaders(lock: Lock, { seeds }: { seeds: Derivation }): Derivation {
  return script({
    name: 'linux-headers',
    version: pinnedVersion(lock, 'linux'),
    root: seeds,
    inputs: { source: pinned(lock, 'linux') },
    script: build,
  })
}

// Only a twentieth of the kernel's files is needed for its headers; the others are never written.
const build = `
tar -xf "$source" --strip-components=1 --exclude='*/tools/testing' --exclude='*/drivers' \\
  --exclude='*/Documentation' \\
  --wildcards '*/Makefile' '*/Kbuild' '*/Kbuild.*' '*/Kconfig*' '*/scripts/*' '*/include/*' '*/arch/x86/*'
make -s -j"$BUILD_CORES" ARCH=x86 headers
mkdir "$out"
cp -r usr/include "$out/include"
find "$out" -type f ! -name '*.h' -delete
`
