import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import type { Descriptors } from './descriptors.ts'
import { BUSYBOX } from './launch.ts'
import { BUBBLEWRAP } from './tools.ts'

// Of nobody: above what systems give to users, below what they give to containers and to systemd.
const FIRST_UID = 59_000
const UIDS = 1000

/** True if builds must change to another user first: nothing of a build is ever the host's root. */
export function mustDrop(host: Host): boolean {
  if (host.processes.uid !== 0) return false
  const map = (host.files.read('/proc/self/uid_map') ?? Buffer.alloc(0)).toString()
  const ranges = map.trim().split('\n').map(line => line.trim().split(/\s+/).map(Number))
  const holds = (uid: number): boolean =>
    ranges.some(([inside = 0, , length = 0]) => inside <= uid && uid < inside + length)
  if (holds(FIRST_UID) && holds(FIRST_UID + UIDS - 1)) return true
  // The root of a user namespace that stands for one ordinary user is that user to the kernel.
  const [, outside = 0] = ranges.find(([inside]) => inside === 0) ?? []
  if (outside !== 0) return false
  throw new MixosError('SANDBOX_UNAVAILABLE', 'root cannot become another user here', {
    hint: `run as an ordinary user, or map the users ${FIRST_UID} to ${FIRST_UID + UIDS - 1} into this container`,
  })
}

/** The user of a build: builds at the same time differ in it, as far as this process knows. */
export function uidOf(slot: number, offset: number): number {
  return FIRST_UID + ((offset + slot) % UIDS)
}

/**
 * A command line for root that runs bubblewrap, whose arguments follow, as `uid`. That user may not be
 * able to reach the store, say below /root. So an outer bubblewrap, which is root, makes a mount
 * namespace that holds little else than `paths`, each where it is, and changes to the user in there.
 */
export function dropArguments(
  descriptors: Descriptors,
  { uid, paths, directory }: { uid: number; paths: readonly Shown[]; directory: string },
): string[] {
  const binds = paths.flatMap(({ path, isWritable = false }) => {
    const number = descriptors.open(path)
    return [isWritable ? '--bind-fd' : '--ro-bind-fd', String(number), descriptors.pathOf(number)]
  })
  const tools = descriptors.open(directory)
  const at = descriptors.pathOf(tools)
  return [
    ...BUBBLEWRAP.slice(1),
    ...['--dir', '/tmp', '--dev-bind', '/dev', '/dev', '--bind', '/proc', '/proc'],
    ...binds,
    ...['--ro-bind-fd', String(tools), at, '--chdir', at],
    ...['--die-with-parent', '--argv0', 'nsenter', '--', `/proc/self/fd/${BUSYBOX}`],
    ...['-S', String(uid), '-G', String(uid), ...BUBBLEWRAP],
  ]
}

export interface Shown {
  readonly path: string
  readonly isWritable?: boolean
}
