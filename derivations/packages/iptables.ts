import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

/** One program for IPv4 and IPv6 that has all matches and targets in it, and needs no library. */
export function iptables(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'iptables',
    version: pinnedVersion(lock, 'iptables'),
    description: "Lists and changes the kernel's packet filter, for IPv4 and IPv6",
    license: 'GPL-2.0-or-later',
    homepage: 'https://www.netfilter.org/projects/iptables/',
    inputs: { source: pinned(lock, 'iptables') },
    script: `
tar -xf "$source" --strip-components=1
./configure --prefix="$out" --sbindir="$out/bin" --disable-dependency-tracking \\
  --disable-nftables --disable-shared --enable-static --with-xt-lock-name=/run/xtables.lock
make -s -j"$BUILD_CORES"
make -s install
rm -rf "$out/include" "$out/lib" "$out/share" "$out/etc" "$out/bin/iptables-xml" "$out/bin/iptables-apply" \\
  "$out/bin/ip6tables-apply" "$out/bin/nfnl_osf"
`,
  })
}
