import type { Derivation } from '../../graph/derivation.ts'
import { descriptionOf } from '../build-support/target-package.ts'
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
  const [path, description] = descriptionOf({
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

// The live medium's root has no password. Every other account is locked.
const accounts: Files = {
  'etc/passwd': `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/:/bin/false
nobody:x:65534:65534:nobody:/:/bin/false
`,
  'etc/shadow': `root::::::::
daemon:!:::::::
nobody:!:::::::
`,
  'etc/group': `root:x:0:
daemon:x:1:
tty:x:5:
disk:x:6:
wheel:x:10:root
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
  { "name": "medium", "url": "/run/mixos/medium/mixos/repository" }
]
`,
}

const network: Files = {
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
  'etc/resolv.conf': { symlink: '/run/resolv.conf' },
  'etc/udhcpc/default.script': {
    executable: `#!/bin/sh
# Applies what udhcpc, the DHCP client, was given.
export PATH=/bin:/sbin
case $1 in
  deconfig)
    ip address flush dev "$interface"
    ip link set "$interface" up
    ;;
  bound | renew)
    ip address replace "$ip/$mask" \${broadcast:+broadcast "$broadcast"} dev "$interface"
    for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; break; done
    {
      [ -z "$domain" ] || echo "search $domain"
      for server in $dns; do echo "nameserver $server"; done
    } >/run/resolv.conf.new
    mv /run/resolv.conf.new /run/resolv.conf
    ;;
esac
`,
  },
}
