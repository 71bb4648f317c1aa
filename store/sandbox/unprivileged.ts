import { dirname } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import type { Descriptors } from './descriptors.ts'
import { BUSYBOX } from './launch.ts'
import { BUBBLEWRAP } from './tools.ts'

// Nobody's: above what systems give to users, below what they give to containers and systemd.
const FIRST_UID = 59_000
const UIDS = 1000

const MEMORY = '/dev/shm'

/**
 * True if builds must run as another user than we do: to the host, nothing of a build is ever root.
 * Throws SANDBOX_UNAVAILABLE where we are root and cannot become another user.
 */
export function mustDrop(host: Host): boolean {
  if (host.processes.uid !== 0) return false
  const ranges = rangesOf(host)
  const holds = (uid: number): boolean =>
    ranges.some(({ inside, length }) => inside <= uid && uid < inside + length)
  if (holds(FIRST_UID) && holds(FIRST_UID + UIDS - 1)) return true
  // The root of a user namespace that stands for one ordinary user is that user to the kernel.
  if (ranges.some(({ inside, outside }) => inside === 0 && outside !== 0)) return false
  const last = FIRST_UID + UIDS - 1
  throw new MixosError('SANDBOX_UNAVAILABLE', 'root cannot become another user here', {
    hint: `run as an ordinary user, or map the user ids ${FIRST_UID} to ${last} into this container`,
  })
}

/** Builds at the same time differ in their user, as far as this process knows. */
export function uidOf(slot: number): number {
  return FIRST_UID + ((process.pid + slot) % UIDS)
}

/**
 * The fewest directories by which all of these can be reached: what anyone may enter instead of each of
 * the objects in it, since mounting many takes long.
 */
export function reachable(host: Host, paths: readonly string[]): string[] {
  const isOpen = new Map<string, boolean>()
  const found = paths.map(path => {
    const parent = dirname(path)
    if (!isOpen.has(parent)) {
      const stats = host.files.lstat(parent)
      isOpen.set(parent, stats?.isDirectory() === true && (stats.mode & 0o5) === 0o5)
    }
    return isOpen.get(parent) ? parent : path
  })
  return [...new Set(found)]
}

/**
 * Bubblewrap's command line for root, up to its own arguments. The user that builds run as may be unable
 * to reach a directory by its path, such as one below /root. So an outer bubblewrap, which is root,
 * makes a mount namespace that holds these directories where they are and little else; in there, it
 * becomes that user and runs the bubblewrap that does the work.
 */
export function dropArguments(
  descriptors: Descriptors,
  { uid, directory, readable, writable }: Dropping,
): readonly string[] {
  const show = (how: '--bind-fd' | '--ro-bind-fd', path: string): string[] => {
    const number = descriptors.open(path)
    const at = descriptors.pathOf(number)
    // Or bubblewrap makes the directory for the owner alone.
    return ['--dir', dirname(at), how, String(number), at]
  }
  const tools = show('--ro-bind-fd', directory)
  const isInMemory = [directory, ...readable, ...writable].some(path => path.startsWith(MEMORY))
  return [
    ...BUBBLEWRAP,
    ...['--die-with-parent', '--dir', '/tmp'],
    ...['--dev-bind', '/dev', '/dev', '--bind', '/proc', '/proc'],
    // With /dev come the host's own directories there, which may be closed to that user.
    ...(isInMemory ? ['--tmpfs', MEMORY] : []),
    ...readable.flatMap(path => show('--ro-bind-fd', path)),
    ...writable.flatMap(path => show('--bind-fd', path)),
    ...[...tools, '--chdir', tools.at(-1) as string],
    ...['--argv0', 'nsenter', '--', `/proc/self/fd/${BUSYBOX}`],
    ...['-S', String(uid), '-G', String(uid), ...BUBBLEWRAP],
  ]
}

interface Dropping {
  readonly uid: number
  /** Of the unpacked bubblewrap. */
  readonly directory: string
  readonly readable: readonly string[]
  readonly writable: readonly string[]
}

function rangesOf(host: Host): { inside: number; outside: number; length: number }[] {
  const text = host.files.read('/proc/self/uid_map')?.toString() ?? ''
  return text
    .trim()
    .split('\n')
    .map(line => {
      const [inside = 0, outside = 0, length = 0] = line.trim().split(/\s+/).map(Number)
      return { inside, outside, length }
    })
}
