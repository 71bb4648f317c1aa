import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

/**
 * The library for text in bytes and UTF-8. It compiles no code at run time: memory is never writable and executable.
 */
export function pcre2(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'pcre2',
    version: pinnedVersion(lock, 'pcre2'),
    description: 'Regular expressions with the syntax of Perl 5, as a library and as pcre2grep',
    license: 'BSD-3-Clause WITH PCRE2-exception',
    homepage: 'https://www.pcre.org/',
    inputs: { source: pinned(lock, 'pcre2') },
    outputs: ['out', 'dev'],
    script: `
tar -xf "$source" --strip-components=1
./configure --prefix="$out" --disable-static --disable-jit --disable-dependency-tracking
make -s -j"$BUILD_CORES"
make -s install
rm "$out"/bin/pcre2-config "$out"/bin/pcre2test "$out"/lib/libpcre2-posix.* "$out/include/pcre2posix.h"
`,
  })
}
