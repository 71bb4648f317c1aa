import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from './pinned.ts'
import { script } from './script.ts'

/**
 * Autoconf, automake and libtool, for sources that come without a configure script. A seed of its own
 * would be a second file system of all that `seeds-build` holds; these are a few scripts.
 */
export function autotools(lock: Lock, { seeds }: { seeds: Derivation }): Derivation {
  return script({
    name: 'autotools',
    version: pinnedVersion(lock, 'autoconf'),
    root: seeds,
    inputs: {
      autoconf: pinned(lock, 'autoconf'),
      automake: pinned(lock, 'automake'),
      libtool: pinned(lock, 'libtool'),
    },
    script: build,
  })
}

// Each needs the one before it in the path.
const build = `
export PATH="$out/bin:$PATH"
for tool in autoconf automake libtool; do
  mkdir "/build/$tool"
  cd "/build/$tool"
  eval "tar -xf \\$$tool --strip-components=1"
  ./configure --prefix="$out" >/dev/null
  make -s >/dev/null
  make -s install >/dev/null
done
rm -rf "$out/share/man" "$out/share/info" "$out/share/doc" "$out"/lib/*.a "$out"/lib/*.la
autoreconf --version >/dev/null
`
