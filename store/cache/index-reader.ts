import { MixosError } from '../../graph/error.ts'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { slotsOf } from '../slots.ts'
import { objectPath } from './layout.ts'
import { INDEX_LIMIT, type ObjectIndex, parseIndex } from './object-index.ts'
import { type CacheStorage, FileTooLarge } from './storage.ts'
import type { Workers } from './workers.ts'

/** Reads indexes from caches that may say anything, whoever asks for however many at once. */
export interface IndexReader {
  /** Throws CACHE_INCOMPLETE where there is none, which may happen while the cache collects its garbage. */
  read(storage: CacheStorage, path: StorePath, signal: AbortSignal): Promise<ObjectIndex>
}

// Enough to hide the way to a server on another continent.
const LOOKUPS = 64
/**
 * Bytes, of several thousand files. A larger index may be a
 * trap that takes memory and time, so there are few at a time.
 */
const SMALL = 1 << 20
const LARGE_ONES = 2

/** With workers that have threads, large indexes are first parsed in one of those. */
export function indexReader(workers: Workers): IndexReader {
  const lookups = slotsOf(LOOKUPS)
  const large = slotsOf(LARGE_ONES)
  return {
    read: async (storage, path, signal) => {
      try {
        return await lookups.run(0, async () => {
          const { bytes, where } = await readBytes(storage, path, { signal, limit: SMALL })
          return parseIndex(bytes, path, where)
        })
      } catch (error) {
        if (!(error instanceof FileTooLarge)) throw error
        return await large.run(0, () => readLarge(storage, path, { signal, workers }))
      }
    },
  }
}

async function readLarge(
  storage: CacheStorage,
  path: StorePath,
  { signal, workers }: { signal: AbortSignal; workers: Workers },
): Promise<ObjectIndex> {
  const { bytes, where } = await readBytes(storage, path, { signal, limit: INDEX_LIMIT })
  if (workers.areThreads) await workers.run({ type: 'index', bytes, path }, where)
  signal.throwIfAborted()
  return parseIndex(bytes, path, where)
}

/** The same for one index of a cache that is our own. */
export async function readIndex(
  storage: CacheStorage,
  path: StorePath,
  signal: AbortSignal,
): Promise<ObjectIndex> {
  const { bytes, where } = await readBytes(storage, path, { signal, limit: INDEX_LIMIT })
  return parseIndex(bytes, path, where)
}

async function readBytes(
  storage: CacheStorage,
  path: StorePath,
  { signal, limit }: { signal: AbortSignal; limit: number },
): Promise<{ bytes: Uint8Array; where: string }> {
  signal.throwIfAborted()
  const at = objectPath(digestOfPath(path))
  const where = `${storage.name}: ${at}`
  const bytes = await storage.read(at, { signal, limit })
  if (!bytes) throw new MixosError('CACHE_INCOMPLETE', `${where} is missing`)
  // Whoever gave the cache up while this was on its way does not have it parsed.
  signal.throwIfAborted()
  return { bytes, where }
}
