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

const underway = new WeakMap<Host, Map<string, { running: Promise<void>; next?: Promise<void> }>>()

/**
 * Waits until all names that the directory holds now are on disk. Callers that come while one sync is
 * running share the next one: their changes are in it, whichever of them asked first.
 */
export function syncDirectory(host: Host, path: string): Promise<void> {
  const perHost = underway.get(host) ?? new Map()
  underway.set(host, perHost)
  const current = perHost.get(path)
  if (current) {
    current.next ??= current.running.then(
      () => start(),
      () => start(),
    )
    return current.next as Promise<void>
  }
  return start()

  function start(): Promise<void> {
    const running = host.files.sync(path)
    const entry = { running }
    perHost.set(path, entry)
    const settled = () => {
      if (perHost.get(path) === entry && !('next' in entry)) perHost.delete(path)
    }
    running.then(settled, settled)
    return running
  }
}

/** Runs `action` on every item, at most `width` at a time. The first failure rejects. */
export async function eachOf<T>(
  items: Iterable<T>,
  width: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); !next.done; next = rest.next()) await action(next.value)
  }
  await Promise.all(Array.from({ length: width }, worker))
}
