import { dirname } from 'node:path'
import type { Host } from './host.ts'

/**
 * Makes a small file appear whole or not at all, and stay: temp file → fsync → rename → fsync of the
 * directory. A crash leaves the old file, the new file, or an unreachable temp file under `scratch`,
 * which must be on the same file system.
 */
export async function writeDurably(
  host: Host,
  options: { path: string; data: string | Uint8Array; scratch: string; mode?: number },
): Promise<void> {
  const { path, data, scratch, mode } = options
  const temp = `${scratch}/${host.randomHex(20)}`
  host.files.writeNew(temp, data, mode)
  await host.files.sync(temp)
  host.files.rename(temp, path)
  await syncDirectory(host, dirname(path))
}

interface Underway {
  readonly running: Promise<void>
  next?: Promise<void>
}
const underway = new WeakMap<Host, Map<string, Underway>>()

/**
 * Waits until all names that the directory holds now are on disk. Callers that come while one sync is
 * running share the next one: their changes are in it, whichever of them asked first.
 */
export function syncDirectory(host: Host, path: string): Promise<void> {
  const perHost = underway.get(host) ?? new Map<string, Underway>()
  underway.set(host, perHost)
  const current = perHost.get(path)
  if (current) {
    // A failed sync may have dropped what those who wait have written: they fail with it.
    current.next ??= current.running.then(start)
    return current.next
  }
  return start()

  function start(): Promise<void> {
    const running = host.files.sync(path)
    const entry: Underway = { running }
    perHost.set(path, entry)
    const forget = (): void => {
      perHost.delete(path)
    }
    running.then(() => {
      if (!entry.next) forget()
    }, forget)
    return running
  }
}

/**
 * Runs `action` on every item, at most `width` at a time. Throws the first failure when nothing runs any
 * more, since what still ran would write to a store that its caller has let go.
 */
export async function eachOf<T>(
  items: Iterable<T>,
  width: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]()
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    while (failures.length === 0) {
      const next = rest.next()
      if (next.done) return
      await action(next.value).catch(error => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  if (failures.length > 0) throw failures[0]
}
