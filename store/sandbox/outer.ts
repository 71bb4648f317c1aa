import { dirname } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import { BUBBLEWRAP, type SandboxTools } from './tools.ts'

export interface Outer {
  readonly tools: SandboxTools
  /** True if builds run as another user than we do. */
  readonly drops: boolean
  /** Directories of what builds may be shown, for reading. */
  readonly readable: readonly string[]
  /** The same, for writing. */
  readonly writable: string
}

const MEMORY = '/dev/shm'

/**
 * Bubblewrap's command line for a process that all builds are started from, in a mount namespace that holds these
 * directories where they are, and little else. There are two reasons. A user that builds run as may be unable to reach
 * a directory by its path, such as one below /root. And bubblewrap, which starts each build, copies all mounts that it
 * sees and reads the list of them for each one that it makes: the host may have hundreds.
 *
 * Throws SANDBOX_UNAVAILABLE where a directory is closed to that user.
 */
export function outerArguments(
  host: Host,
  { tools, drops, readable, writable }: Outer,
): readonly string[] {
  const show = (how: '--ro-bind' | '--bind', path: string): string[] => {
    if (drops) requireOpen(host, path)
    // Or bubblewrap makes the parent for the owner alone.
    return ['--dir', dirname(path), how, path, path]
  }
  const shown = [...readable, tools.bubblewrap, dirname(tools.busybox)]
  const isInMemory = [...shown, writable].some(path => path.startsWith(`${MEMORY}/`))
  return [
    ...BUBBLEWRAP,
    ...(drops ? [] : ['--unshare-user']),
    // Bubblewrap itself works in /tmp.
    ...['--dir', '/tmp', '--dev-bind', '/dev', '/dev', '--bind', '/proc', '/proc'],
    // With /dev come the host's own directories there, which may be closed to that user.
    ...(isInMemory ? ['--tmpfs', MEMORY] : []),
    ...shown.flatMap(path => show('--ro-bind', path)),
    ...show('--bind', writable),
    ...['--chdir', tools.bubblewrap, '--', tools.busybox],
  ]
}

function requireOpen(host: Host, path: string): void {
  const mode = host.files.lstat(path)?.mode ?? 0
  if ((mode & 0o1) !== 0) return
  throw new MixosError('SANDBOX_UNAVAILABLE', `${path} can be entered by root alone`, {
    hint: `builds of root's run as another user: chmod go+rx ${path}`,
  })
}
