import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { type Fragments, requestedOptions } from '../build-support/kconfig.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { script } from '../build-support/script.ts'
import { infoFile } from '../build-support/target-package.ts'

export interface BusyboxTools {
  readonly seeds: Derivation
  readonly toolchain: Derivation
  /** Options that are not named in them are off. */
  readonly config: Fragments
}

/** BusyBox as one static binary, `bin/busybox`, with a link beside it for each of its commands. */
export function busybox(lock: Lock, { seeds, toolchain, config }: BusyboxTools): Derivation {
  const version = pinnedVersion(lock, 'busybox')
  const [descriptionPath, description] = infoFile({
    name: 'busybox',
    version,
    description: 'The usual Unix commands in one small program',
    license: 'GPL-2.0-only',
    homepage: 'https://busybox.net',
    services: ['crond'],
  })
  return script({
    name: 'busybox',
    version,
    root: seeds,
    inputs: { source: pinned(lock, 'busybox'), toolchain },
    env: { options: requestedOptions(config), description, descriptionPath, crond },
    script: build,
  })
}

// BusyBox's kconfig has no merging of its own and would take the default of every option that it
// finds unanswered, so each known option that was not requested is answered with no.
const build = `
tar -xf "$source" --strip-components=1
make -s allnoconfig >/dev/null
printf '%s' "$options" >requested
find . -name Config.in -exec sed -nE \\
  's/^[[:space:]]*config[[:space:]]+([A-Za-z0-9_]+)[[:space:]]*$/CONFIG_\\1=n/p' {} + | sort -u >known
awk -F= '!($1 in answered) { answered[$1]; print }' requested known |
  sed -E 's/^(.*)=n$/# \\1 is not set/' >.config
{ yes '' || :; } | make -s oldconfig >/dev/null
awk -F= '
  { value = substr($0, length($1) + 2) }
  NR == FNR { if (/^CONFIG_/) actual[$1] = value; next }
  {
    got = $1 in actual ? actual[$1] : "n"
    if (got != value) { print "error: " $1 ": requested " value ", actual " got; bad = 1 }
  }
  END { exit bad }
' .config requested >&2
export PATH="$toolchain/bin:$PATH"
make -s -j"$BUILD_CORES" CROSS_COMPILE=x86_64-linux-musl- CFLAGS_busybox=-static-pie busybox
mkdir -p "$out/bin"
cp busybox "$out/bin/busybox"
ln -s bin "$out/sbin"
./busybox --list | while read -r command; do
  [ "$command" = busybox ] || ln -s busybox "$out/bin/$command"
done
mkdir -p "$out/$(dirname "$descriptionPath")" "$out/etc/sv/crond"
printf '%s' "$crond" >"$out/etc/sv/crond/run"
chmod +x "$out/etc/sv/crond/run"
printf '%s' "$description" >"$out/$descriptionPath"
`

// What ran is told to the system's log.
const crond = `\
#!/bin/sh
exec 2>&1
export PATH=/bin
exec crond -f
`
