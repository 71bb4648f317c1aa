import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'

// Nobody's: above what systems give to users, below what they give to containers and systemd.
const FIRST_UID = 59_000
const UIDS = 1000

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
