import type { ObjectHash, StorePath } from '../../graph/store-path.ts'
import type { Store } from '../store.ts'
import { indexReader } from './index-reader.ts'
import type { ObjectIndex } from './object-index.ts'
import { type RestoreOptions, restore } from './restore.ts'
import type { CacheStorage } from './storage.ts'

/** Copies objects, with all that they refer to, from caches. */
export interface Puller {
  /**
   * Makes the object and its closure exist here, from this cache. Durable when it resolves. Throws
   * CACHE_INVALID, CACHE_INCOMPLETE and CACHE_UNAVAILABLE; what was complete by then stays.
   */
  pull(storage: CacheStorage, path: StorePath, options?: PullOptions): Promise<void>
  /** All of the hash that the path of an object begins with; undefined where the object is not here. */
  hash(path: StorePath): ObjectHash | undefined
  /** What a pull would begin with. */
  index(storage: CacheStorage, path: StorePath, signal: AbortSignal): Promise<ObjectIndex>
}

export interface PullOptions {
  readonly onBytes?: OnBytes
  /** Ends what is asked of this cache. */
  readonly signal?: AbortSignal
  /** Called at once with whatever fails, while the rest may go on for long. */
  readonly onFailure?: (error: unknown) => void
}

/** Called with the number of bytes that came. */
export type OnBytes = (count: number) => void

export function pullerOf(store: Store, options: Omit<RestoreOptions, 'onBytes'>): Puller {
  const indexes = indexReader(options.workers)
  const known = new Map<CacheStorage, Map<StorePath, Promise<void>>>()
  const nobody = (): void => undefined

  const pull = (storage: CacheStorage, path: StorePath, asked: Required<PullOptions>) => {
    const pulls = known.get(storage) ?? new Map<StorePath, Promise<void>>()
    known.set(storage, pulls)
    const running = pulls.get(path)
    if (running) return running
    const pulled = copy(storage, path, asked)
    pulls.set(path, pulled)
    // A failure is remembered too: the cache is not asked for the same again and again.
    pulled.catch(asked.onFailure)
    return pulled
  }

  const copy = async (
    storage: CacheStorage,
    path: StorePath,
    asked: Required<PullOptions>,
  ): Promise<void> => {
    if (store.hasWhole(path)) return
    const { onBytes, signal, onFailure } = asked
    const index = await indexes.read(storage, path, signal)
    const references = index.manifest.references.map(reference => pull(storage, reference, asked))
    const object = restore(store, storage, index, { ...options, signal, onBytes })
    object.catch(onFailure)
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

  return {
    pull: (storage, path, { onBytes = nobody, signal = options.signal, onFailure = nobody } = {}) =>
      pull(storage, path, { onBytes, signal, onFailure }),
    hash: path => store.head(path)?.hash,
    index: indexes.read,
  }
}
