import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export interface AuditTools extends TargetTools {
  readonly autotools: Derivation
}

/** The daemon that writes the kernel's audit log, the tools to search it, and a first set of rules. */
export function audit(lock: Lock, { autotools, ...tools }: AuditTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'audit',
    version: pinnedVersion(lock, 'audit'),
    description: 'Logs what the kernel is told to watch: daemon, rules and search',
    license: 'GPL-2.0-or-later AND LGPL-2.1-or-later',
    homepage: 'https://github.com/linux-audit/audit-userspace',
    services: ['auditd'],
    config: ['audit/auditd.conf', 'audit/audit.rules'],
    inputs: { source: pinned(lock, 'audit'), autotools },
    env: { rules, run },
    script: build,
  })
}

const rules = `\
# Loaded by auditctl -R when auditd starts.
-D
-b 8192
-f 1
-a always,exit -F arch=b64 -F path=/etc/passwd -F perm=wa -F key=identity
-a always,exit -F arch=b64 -F path=/etc/group -F perm=wa -F key=identity
-a always,exit -F arch=b64 -F path=/etc/shadow -F perm=wa -F key=identity
-a always,exit -F arch=b64 -F dir=/etc/audit -F perm=wa -F key=audit
-a always,exit -F arch=b64 -S init_module,finit_module,delete_module -F key=modules
-a always,exit -F arch=b64 -S adjtimex,settimeofday,clock_settime -F key=time
`

const run = `\
#!/bin/sh
exec 2>&1
mkdir -p -m 700 /var/log/audit
auditctl -R /etc/audit/audit.rules
exec auditd -n
`

// Its headers' tables are made by programs that are compiled and run on the way.
const build = `
export PATH="$autotools/bin:$PATH"
tar -xf "$source" --strip-components=1
autoreconf -fi
./configure --build=$host --host=$host --prefix="$out" --sbindir="$out/bin" --sysconfdir=/etc --localstatedir=/var \\
  --runstatedir=/run --disable-static --disable-zos-remote --disable-listener --without-python3 --without-golang \\
  --with-libcap-ng=no CC_FOR_BUILD="$CC" >/dev/null
for part in common lib auparse audisp src/libev src; do make -s -C $part -j"$BUILD_CORES" >/dev/null; done
for part in lib auparse src; do make -s -C $part install >/dev/null; done
rm -rf "$out/include" "$out/lib/pkgconfig" "$out"/lib/*.so "$out/share/aclocal"
mkdir -p "$out/etc/audit" "$out/etc/sv/auditd"
cp init.d/auditd.conf "$out/etc/audit/"
printf '%s' "$rules" >"$out/etc/audit/audit.rules"
printf '%s' "$run" >"$out/etc/sv/auditd/run"
chmod 755 "$out/etc/sv/auditd/run"
`
