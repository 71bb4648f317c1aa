import { MixosError } from '../../graph/error.ts'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { slotsOf } from '../slots.ts'
import type { Store } from '../store.ts'
import { objectPath } from './layout.ts'
import { type ObjectIndex, parseIndex } from './object-index.ts'
import { type RestoreOptions, restore } from './restore.ts'
import type { CacheStorage } from './storage.ts'

/** Copies objects, with all that they refer to, from caches. */
export interface Puller {
  /**
   * Makes the object and its closure exist here, from this cache. Durable when it resolves. Throws
   * CACHE_INVALID, CACHE_INCOMPLETE and CACHE_UNAVAILABLE; what was complete by then stays.
   */
  pull(storage: CacheStorage, path: StorePath, onBytes?: OnBytes): Promise<void>
}

/** Called with the number of bytes that came. */
export type OnBytes = (count: number) => void

// An index names each file of its object, so this is some hundred thousand files.
const INDEX_BYTES = 64 << 20
// Enough to hide the way to a server on another continent; each is small.
const LOOKUPS = 64

export function pullerOf(store: Store, options: Omit<RestoreOptions, 'onBytes'>): Puller {
  const lookups = slotsOf(LOOKUPS)
  const known = new Map<CacheStorage, Map<StorePath, Promise<void>>>()

  const pull: Puller['pull'] = (storage, path, onBytes = () => undefined) => {
    const pulls = known.get(storage) ?? new Map<StorePath, Promise<void>>()
    known.set(storage, pulls)
    const running = pulls.get(path)
    if (running) return running
    const pulled = copy(storage, path, onBytes)
    pulls.set(path, pulled)
    // A failure is remembered too: the cache is not asked for the same again and again.
    pulled.catch(() => undefined)
    return pulled
  }

  const copy = async (storage: CacheStorage, path: StorePath, onBytes: OnBytes): Promise<void> => {
    if (store.has(path)) return
    const index = await lookups.run(0, () => readIndex(storage, path, options.signal))
    const references = index.manifest.references.map(reference => pull(storage, reference, onBytes))
    const object = restore(store, storage, index, { ...options, onBytes })
    object.catch(() => undefined)
    try {
      // What it refers to first, so that every object is whole.
      await Promise.allSettled(references)
      await Promise.all(references)
    } catch (error) {
      await object.then(prepared => prepared.discard()).catch(() => undefined)
      throw error
    }
    await (await object).commit()
  }

  return { pull }
}

/** Throws CACHE_INCOMPLETE where there is none, which may happen while the cache collects its garbage. */
export async function readIndex(
  storage: CacheStorage,
  path: StorePath,
  signal: AbortSignal,
): Promise<ObjectIndex> {
  const at = objectPath(digestOfPath(path))
  const where = `${storage.name}: ${at}`
  const bytes = await storage.read(at, { signal, limit: INDEX_BYTES })
  if (!bytes) throw new MixosError('CACHE_INCOMPLETE', `${where} is missing`)
  return parseIndex(bytes, path, where)
}
