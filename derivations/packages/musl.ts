import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { applyPatches } from '../build-support/patches.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { script } from '../build-support/script.ts'
import { plainPackage } from '../build-support/target-package.ts'

/**
 * The C library: in `lib`, the library itself, which is the loader of every program too, and `ldd`;
 * in the output `dev`, the headers, start files and static libraries, which a target never sees.
 *
 * The fixes that upstream published after the release come from the patches that Debian carries.
 */
export function musl(
  lock: Lock,
  { seeds, gcc }: { seeds: Derivation; gcc: Derivation },
): Derivation {
  return plainPackage({
    about: {
      description: 'The C library, and ldd, which says what a program is linked with',
      license: 'MIT',
      homepage: 'https://musl.libc.org/',
    },
    name: 'musl',
    version: pinnedVersion(lock, 'musl'),
    root: seeds,
    inputs: { ...sources(lock), gcc },
    outputs: ['out', 'dev'],
    script: `export PATH="$gcc/bin:$PATH"\n${patched}${compiled}`,
  })
}

/** What GCC's own libraries are compiled with, all in one; compiled by the seed's compiler, so for nothing else. */
export function bootstrapMusl(lock: Lock, { seeds }: { seeds: Derivation }): Derivation {
  return script({
    name: 'musl-bootstrap',
    version: pinnedVersion(lock, 'musl'),
    root: seeds,
    inputs: sources(lock),
    script: `${patched}${bootstrapped}`,
  })
}

const sources = (lock: Lock) => ({
  source: pinned(lock, 'musl'),
  patches: pinned(lock, 'musl-patches'),
})

// renameat2 and musl-gcc are Debian's additions, not fixes.
const patched = `
tar -xf "$source" --strip-components=1
${applyPatches({ except: 'renameat2|static-pie' })}`

// Links inside an object are relative: it then holds no path of its own.
const compiled = `
./configure --prefix="$dev" --syslibdir="$out/lib" --disable-wrapper CC=x86_64-linux-musl-gcc
make -s -j"$BUILD_CORES"
make -s install
mv "$dev/lib/libc.so" "$out/lib/libc.so"
ln -s "$out/lib/libc.so" "$dev/lib/libc.so"
strip --strip-unneeded "$out/lib/libc.so"
ln -sf libc.so "$out/lib/ld-musl-x86_64.so.1"
mkdir "$out/bin"
ln -s ../lib/libc.so "$out/bin/ldd"
`

const bootstrapped = `
./configure --prefix="$out" --syslibdir="$out/lib" --disable-wrapper --disable-static CC=gcc
make -s -j"$BUILD_CORES"
make -s install
ln -sf libc.so "$out/lib/ld-musl-x86_64.so.1"
`
