import { dirname } from 'node:path'
import type { Host } from '../host.ts'

/**
 * Makes a small file appear whole or not at all, and stay: temp file → fsync → rename → fsync of the
 * directory. A crash leaves the old file, the new file, or an unreachable temp file under `scratch`,
 * which must be on the same file system.
 */
export async function writeDurably(
  host: Host,
  options: {
    path: string
    data: string | Uint8Array
    scratch: string
    mode?: number
    findFileSystemSync?: FindFileSystemSync | undefined
  },
): Promise<void> {
  const { path, data, scratch, mode, findFileSystemSync } = options
  const temp = `${scratch}/${host.randomHex(20)}`
  host.files.writeNew(temp, data, mode)
  await flush(host, [temp], findFileSystemSync)
  host.files.rename(temp, path)
  await flush(host, [dirname(path)], findFileSystemSync)
}

/** Finds how to flush a whole file system at once; gives undefined where the tool for it cannot be had. */
export type FindFileSystemSync = () => Promise<((path: string) => Promise<void>) | undefined>

interface Flush {
  readonly running: Promise<void>
  /** What is to be on disk with the next one. */
  readonly paths: Set<string>
  next?: Promise<void>
}
const flushes = new WeakMap<Host | FindFileSystemSync, Flush>()
// Above this many files, flushing the file system is quicker than syncing each.
const SYNC_EACH_UP_TO = 48
// More than Node has threads for it, so that none is idle.
const SYNCS = 16

/**
 * Waits until these files, and the names that these directories hold now, are on disk. Callers that come
 * while one flush runs share the next one: a journal that is written for each of many small files
 * keeps everyone waiting who makes another. Where it fails, what was written may be lost, so it fails for
 * all who share it and for those who wait. Where a way is given to flush a file system, all paths of those who give that
 * one are on it, and many of them are flushed that way.
 */
export function flush(
  host: Host,
  paths: Iterable<string>,
  findFileSystemSync?: FindFileSystemSync,
): Promise<void> {
  const key = findFileSystemSync ?? host
  const current = flushes.get(key)
  if (!current) return start(new Set(paths))
  for (const path of paths) current.paths.add(path)
  current.next ??= current.running.then(() => start(current.paths))
  return current.next

  function start(paths: ReadonlySet<string>): Promise<void> {
    const running = syncAll(host, paths, findFileSystemSync)
    const flush: Flush = { running, paths: new Set() }
    flushes.set(key, flush)
    const forget = (): void => {
      if (flushes.get(key) === flush) flushes.delete(key)
    }
    running.then(() => {
      if (!flush.next) forget()
    }, forget)
    return running
  }
}

async function syncAll(
  host: Host,
  paths: ReadonlySet<string>,
  findFileSystemSync: FindFileSystemSync | undefined,
): Promise<void> {
  const [first] = paths
  const isMany = paths.size > SYNC_EACH_UP_TO
  const syncFileSystem = isMany ? await findFileSystemSync?.() : undefined
  if (syncFileSystem && first !== undefined) await syncFileSystem(first)
  else await eachOf(paths, SYNCS, path => host.files.sync(path))
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
