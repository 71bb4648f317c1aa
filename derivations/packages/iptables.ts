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
    services: ['firewall'],
    config: ['iptables/rules.v4', 'iptables/rules.v6'],
    inputs: { source: pinned(lock, 'iptables') },
    env: { service, rules4, rules6 },
    script: `
tar -xf "$source" --strip-components=1
./configure --prefix="$out" --sbindir="$out/bin" --disable-dependency-tracking \\
  --disable-nftables --disable-shared --enable-static --with-xt-lock-name=/run/xtables.lock
make -s -j"$BUILD_CORES"
make -s install
rm -rf "$out/include" "$out/lib" "$out/share" "$out/etc" "$out/bin/iptables-xml" "$out/bin/iptables-apply" \\
  "$out/bin/ip6tables-apply" "$out/bin/nfnl_osf"
mkdir -p "$out/etc/iptables" "$out/etc/sv/firewall"
printf '%s' "$rules4" >"$out/etc/iptables/rules.v4"
printf '%s' "$rules6" >"$out/etc/iptables/rules.v6"
printf '%s' "$service" | sed "s|@out@|$out|g" >"$out/etc/sv/firewall/run"
chmod +x "$out/etc/sv/firewall/run"
`,
  })
}

// What the rules are stays so when it ends: nobody is let in because a service was stopped.
const service = `\
#!/bin/sh
exec 2>&1
set -eu
@out@/bin/iptables-restore </etc/iptables/rules.v4
@out@/bin/ip6tables-restore </etc/iptables/rules.v6
exec tail -f /dev/null
`

const filter = (icmp: string): string => `\
# What comes in, where the service firewall is enabled. After a change: mix service restart firewall
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p ${icmp} -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT
# A web server:
# -A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT
COMMIT
`
const rules4 = filter('icmp')
const rules6 = filter('ipv6-icmp')
