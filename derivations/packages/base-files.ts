import type { Derivation } from '../../graph/derivation.ts'
import { infoFile } from '../build-support/target-package.ts'
import { type TextFile, textFiles } from '../build-support/text-files.ts'

export interface BaseFiles {
  readonly hostname: string
  /** The version of the distribution. */
  readonly version: string
  /** Terminals to log in on, which are also the only ones where root may. */
  readonly consoles: readonly string[]
}

/** What a system finds in `/etc` before anything is installed; what starts it is not here. */
export function baseFiles(spec: BaseFiles): Derivation {
  const [path, description] = infoFile({
    name: 'base-files',
    version: spec.version,
    description: 'Accounts, names and settings that every MixOS has',
    license: 'MIT',
    config: ['mix/repositories.json'],
  })
  const files = {
    ...accounts,
    ...login(spec),
    ...identity(spec),
    ...network,
    ...packages,
    [path]: description,
  }
  return textFiles({ name: 'base-files', version: spec.version, files })
}

type Files = Record<string, TextFile>

// The live medium's root has no password. Every other account is locked, and is there for one program: `log` keeps what
// services say, `sshd` and `www-data` are what parts of an SSH and a web server run as.
const accounts: Files = {
  'etc/passwd': `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/:/bin/false
log:x:9:9:log:/var/empty:/bin/false
sshd:x:22:22:sshd:/var/empty:/bin/false
www-data:x:33:33:www-data:/var/empty:/bin/false
nobody:x:65534:65534:nobody:/:/bin/false
`,
  'etc/shadow': `root::::::::
daemon:!:::::::
log:!:::::::
sshd:!:::::::
www-data:!:::::::
nobody:!:::::::
`,
  'etc/group': `root:x:0:
daemon:x:1:
tty:x:5:
disk:x:6:
log:x:9:
wheel:x:10:root
sshd:x:22:
www-data:x:33:
users:x:100:
nogroup:x:65534:
`,
  'etc/shells': '/bin/sh\n',
  'etc/profile': `export PATH=/bin:/sbin
export PAGER=less
umask 022
if [ "$(id -u)" = 0 ]; then PS1='\\h:\\w# '; else PS1='\\h:\\w$ '; fi
`,
}

const login = ({ consoles }: BaseFiles): Files => ({
  'etc/securetty': consoles.map(console => `${console}\n`).join(''),
  'etc/issue': 'MixOS \\r (\\l)\n\n',
})

const identity = ({ hostname, version }: BaseFiles): Files => ({
  'etc/hostname': `${hostname}\n`,
  'etc/fstab': '',
  'etc/os-release': `NAME=MixOS
ID=mixos
VERSION_ID=${version}
PRETTY_NAME="MixOS ${version}"
`,
})

const packages: Files = {
  // It is in a profile of its own, so that no change of the system's takes it away.
  'bin/mix': { symlink: '/mix/profiles/mix/current/bin/mix' },
  'etc/mix/repositories.json': `[
  { "name": "medium", "url": "/var/lib/mix/medium/repository" }
]
`,
}

const network: Files = {
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
  'etc/resolv.conf': { symlink: '/run/resolv.conf' },
  'etc/ntp.conf': `# The servers that this machine gets the time from.
server 0.pool.ntp.org
server 1.pool.ntp.org
server 2.pool.ntp.org
server 3.pool.ntp.org
`,
  'etc/udhcpc/default.script': {
    executable: `#!/bin/sh
# Applies what udhcpc, the DHCP client, was given by whoever answered.
export PATH=/bin:/sbin
set -f
all=/run/resolv.conf

# Each interface has a file of its own. Whoever writes last, of clients that do so at the same time, sees the files of all.
write_all() {
  set +f
  known=$(cat "$all".* 2>/dev/null)
  printf '%s\\n' "$known" >"/run/.resolv.conf.$interface"
  mv "/run/.resolv.conf.$interface" "$all"
  [ "$(cat "$all".* 2>/dev/null)" = "$known" ] || write_all
}

case $1 in
  deconfig)
    ip address flush dev "$interface"
    ip link set "$interface" up
    rm -f "$all.$interface"
    write_all
    ;;
  bound | renew)
    ip address replace "$ip/$mask" \${broadcast:+broadcast "$broadcast"} dev "$interface"
    for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; break; done
    {
      [ -z "$domain" ] || echo "search $domain"
      for server in $dns; do echo "nameserver $server"; done
    } >"/run/.resolv.conf.$interface"
    mv "/run/.resolv.conf.$interface" "$all.$interface"
    write_all
    ;;
esac
`,
  },
}
