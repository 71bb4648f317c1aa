import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'

/** Why bubblewrap could not start, from its own words and the machine's settings, with the fix. */
export function unavailable(host: Host, message: string): MixosError {
  const hint = causes(host).find(({ applies }) => applies(message))?.fix
  return new MixosError(
    'SANDBOX_UNAVAILABLE',
    `the sandbox cannot start: ${wordsOf(message) || 'bubblewrap gave no reason'}`,
    { hint },
  )
}

/** What bubblewrap says of itself, without its name. */
export const wordsOf = (text: string): string => text.replaceAll(/^bwrap: /gm, '').trim()

interface Cause {
  readonly applies: (message: string) => boolean
  readonly fix: string
}

function causes(host: Host): Cause[] {
  const setting = (path: string): string | undefined =>
    host.files.read(`/proc/sys/${path}`)?.toString().trim()
  const isContainer = ['/.dockerenv', '/run/.containerenv'].some(path => host.files.lstat(path))
  const isRefused = (message: string): boolean =>
    /permission|not permitted|denied|ENOSPC|No space/i.test(message)
  return [
    {
      applies: message => isRefused(message) && setting('user/max_user_namespaces') === '0',
      fix: 'user namespaces are turned off; turn them on: sudo sysctl -w user.max_user_namespaces=65536',
    },
    {
      applies: message => isRefused(message) && setting('kernel/unprivileged_userns_clone') === '0',
      fix: 'user namespaces are kept for root; allow them: sudo sysctl -w kernel.unprivileged_userns_clone=1',
    },
    {
      applies: message =>
        isRefused(message) && setting('kernel/apparmor_restrict_unprivileged_userns') === '1',
      fix: 'AppArmor restricts user namespaces; allow them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (to keep it, put the setting into /etc/sysctl.d/60-mixos.conf)',
    },
    {
      applies: message => isRefused(message) && isContainer,
      fix: 'this is a container that may not make namespaces; start it with: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined --cap-add SYS_ADMIN',
    },
    {
      applies: message => /kernel does not support/.test(message),
      fix: 'use a kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS and CONFIG_IPC_NS',
    },
    {
      applies: isRefused,
      fix: 'allow user namespaces for this user: see user_namespaces(7)',
    },
  ]
}
