import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { script } from '../build-support/script.ts'

export interface MuslTools {
  readonly seeds: Derivation
  /** What compiles it; without one, the seed's own compiler does, and only GCC's build may use that. */
  readonly gcc?: Derivation
}

/**
 * The C library: headers, start files, `libc.so`, `libc.a` and the loader `lib/ld-musl-x86_64.so.1`.
 *
 * The fixes that upstream published after the release come from the patches that Debian carries.
 */
export function musl(lock: Lock, { seeds, gcc }: MuslTools): Derivation {
  return script({
    name: gcc ? 'musl' : 'musl-bootstrap',
    version: pinnedVersion(lock, 'musl'),
    root: seeds,
    inputs: {
      source: pinned(lock, 'musl'),
      patches: pinned(lock, 'musl-patches'),
      ...(gcc && { gcc }),
    },
    env: gcc
      ? { compiler: 'x86_64-linux-musl-gcc', features: '' }
      : { compiler: 'gcc', features: '--disable-static' },
    script: build(gcc !== undefined),
  })
}

// The loader's own link is made relative, so that the object holds no path of its own. renameat2 and
// musl-gcc are Debian's additions, not fixes.
const build = (crossed: boolean): string => `
${crossed ? 'export PATH="$gcc/bin:$PATH"' : ''}
tar -xf "$source" --strip-components=1
tar -xf "$patches"
for patch in $(grep -Ev '^(#|renameat2|static-pie)' debian/patches/series); do
  patch -s -p1 <"debian/patches/$patch"
done
./configure --prefix="$out" --syslibdir="$out/lib" --disable-wrapper $features CC="$compiler"
make -s -j"$BUILD_CORES"
make -s install
ln -sf libc.so "$out/lib/ld-musl-x86_64.so.1"
`
