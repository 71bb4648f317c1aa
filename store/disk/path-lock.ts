import { setTimeout as sleep } from 'node:timers/promises'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'

/** Held until released or until the process ends, however it ends. */
export interface Lock {
  release(): void
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined
  /** Called once where someone else holds the lock. */
  readonly onWait?: () => void
}

/** The lock, or undefined where someone else holds it. Safe between tasks and between processes. */
export function tryPathLock(host: Host, path: string): Lock | undefined {
  for (;;) {
    const fd = host.files.open(path, 'read-write')
    if (!host.files.tryLock(fd, 'exclusive')) {
      host.files.close(fd)
      return undefined
    }
    // The last holder may have deleted the file between our open and our lock: that lock guards nothing.
    const named = host.files.lstat(path)
    if (named?.ino === host.files.statOf(fd).ino) return { release: () => release(host, path, fd) }
    host.files.close(fd)
  }
}

/** Waits for the lock. Throws CANCELLED where `signal` aborts first. */
export function pathLock(host: Host, path: string, options: LockOptions = {}): Promise<Lock> {
  return waitForLock(() => tryPathLock(host, path), options)
}

export async function waitForLock(
  take: () => Lock | undefined,
  { signal, onWait }: LockOptions,
): Promise<Lock> {
  for (let attempt = 0; ; attempt++) {
    if (signal?.aborted)
      throw new MixosError('CANCELLED', 'cancelled while waiting for another process')
    const lock = take()
    if (lock) return lock
    if (attempt === 0) onWait?.()
    // Polled, because a blocking wait would hold one of the few threads that also sync files.
    await sleep(Math.min(200, 5 * 2 ** attempt))
  }
}

function release(host: Host, path: string, fd: number): void {
  try {
    host.files.unlink(path)
  } finally {
    host.files.close(fd)
  }
}
