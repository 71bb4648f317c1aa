import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { type Fragments, requestedOptions } from '../build-support/kconfig.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { script } from '../build-support/script.ts'

export interface LinuxOptions {
  readonly seeds: Derivation
  /** Whatever they do not name is off. */
  readonly config: Fragments
  /** The pin of its source, when another version is wanted. */
  readonly pin?: string
}

/** The kernel: `bzImage`, and `config` as it was built with. */
export function linux(lock: Lock, { seeds, config, pin = 'linux' }: LinuxOptions): Derivation {
  return script({
    name: 'linux',
    version: pinnedVersion(lock, pin),
    root: seeds,
    inputs: { source: pinned(lock, pin) },
    env: { options: requestedOptions(config) },
    script: build,
  })
}

/**
 * A program for awk, with `=` between fields. Of three files (known options, the configuration, requested options) it
 * names every requested one that is unknown or came out otherwise, and then fails.
 */
export const checkOptions = `
  ARGIND == 1 { known[$1]; next }
  ARGIND == 2 { if (/^CONFIG_/) actual[$1] = substr($0, length($1) + 2); next }
  {
    requested = substr($0, length($1) + 2)
    got = $1 in actual ? actual[$1] : "n"
    if (!($1 in known)) got = "unknown to this version"
    if (got != requested) { print "error: " $1 ": requested " requested ", actual " got; bad = 1 }
  }
  END { exit bad }
`

// Kbuild ignores SOURCE_DATE_EPOCH. Where it is told to save space, GCC copies and clears structures by rep
// instructions, which are slow to start on real machines and slow altogether under software emulation: plain moves
// up to 256 bytes, and the kernel's functions above.
const build = `
tar -xf "$source" --strip-components=1 --exclude='*/tools/testing'
export ARCH=x86_64
export KBUILD_BUILD_TIMESTAMP="$(date -u -d "@$SOURCE_DATE_EPOCH")"
export KBUILD_BUILD_USER=mixos KBUILD_BUILD_HOST=mixos KBUILD_BUILD_VERSION=1

printf '%s' "$options" >requested
make -s KCONFIG_ALLCONFIG="$PWD/requested" allnoconfig
find . -name 'Kconfig*' -exec sed -nE 's/^[[:space:]]*(menu)?config[[:space:]]+([A-Za-z0-9_]+).*/CONFIG_\\2/p' {} + >known
awk -F= '${checkOptions}' known .config requested >&2

moves=unrolled_loop:256:noalign,libcall:-1:noalign
make -j"$BUILD_CORES" KCFLAGS="-mmemcpy-strategy=$moves -mmemset-strategy=$moves" bzImage
mkdir "$out"
cp arch/x86/boot/bzImage "$out/bzImage"
cp .config "$out/config"
`
