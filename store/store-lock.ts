import { blake3Hex } from '../graph/blake3.ts'
import { type Lock, type LockOptions, waitForLock } from './disk/path-lock.ts'
import type { Host } from './host.ts'
import type { Layout } from './layout.ts'

/** A store, or what is to become one. */
interface Lockable {
  readonly host: Host
  readonly layout: Layout
}

interface StoreLockOptions extends LockOptions {
  /** Exclusive where left out. */
  readonly how?: 'shared' | 'exclusive'
}

/**
 * Waits for the lock of this name in the store. It is one byte of a file that always stays, so that taking it makes
 * and deletes no file: that would cost more than what most locks are for. Throws CANCELLED where `signal` aborts first.
 */
export function storeLock(
  store: Lockable,
  name: string,
  options: StoreLockOptions = {},
): Promise<Lock> {
  return waitForLock(() => tryStoreLock(store, name, options.how), options)
}

/** The lock, or undefined where someone else holds it. Safe between tasks and between processes. */
export function tryStoreLock(
  { host, layout }: Lockable,
  name: string,
  how: 'shared' | 'exclusive' = 'exclusive',
): Lock | undefined {
  // Who may only look at the store can keep it as it is, too.
  const isThere = how === 'shared' && host.files.lstat(layout.lock)
  const fd = host.files.open(layout.lock, isThere ? 'read' : 'read-write')
  if (host.files.tryLock(fd, how, byteOf(name))) return { release: () => host.files.close(fd) }
  host.files.close(fd)
  return undefined
}

// Of 2^48 bytes, which the file need not have, so that two names that are in use at once do not share one.
const byteOf = (name: string): number => Number.parseInt(blake3Hex(name).slice(0, 12), 16)
