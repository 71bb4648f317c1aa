import { MixosError } from '../../graph/error.ts'
import { slotsOf } from '../slots.ts'
import type { Store } from '../store.ts'
import { eachOf } from '../write.ts'
import { requireCache } from './info.ts'
import { parseAnyIndex } from './object-index.ts'
import { restore } from './restore.ts'
import { restoreThreads } from './restore-threads.ts'
import type { WritableStorage } from './storage.ts'
import { workersOn } from './workers.ts'

export interface CacheProblem {
  readonly path: string
  readonly message: string
}

export interface VerifiedCache {
  readonly checked: number
  readonly problems: readonly CacheProblem[]
}

const OBJECTS = 4
const LIMIT = 64 << 20

/**
 * Restores every object of a cache beside the store, which compares every byte with its manifest, and throws it away.
 * Also told is a reference that the cache does not have. Throws CACHE_FOREIGN for what is no cache.
 */
export async function verifyCache(
  store: Store,
  storage: WritableStorage,
  { signal, onObject }: { signal: AbortSignal; onObject: (path: string) => void },
): Promise<VerifiedCache> {
  await requireCache(storage, signal)
  const objects = await Array.fromAsync(storage.list('object/', { signal }))
  const present = new Set(objects.map(({ path }) => path))
  const problems: CacheProblem[] = []
  await using workers = workersOn(store.host, {
    threads: restoreThreads(store.host.processes.cpus),
  })
  const options = {
    workers,
    downloads: slotsOf(8),
    signal,
    siblings: () => [],
    onBytes: () => undefined,
  }
  await eachOf(objects, OBJECTS, async ({ path }) => {
    onObject(path)
    try {
      const bytes = await storage.read(path, { signal, limit: LIMIT })
      if (!bytes) return
      const index = parseAnyIndex(bytes, path)
      if (path !== `object/${index.path.slice(0, 32)}.json`)
        problems.push({ path, message: `it is the index of ${index.path}` })
      for (const reference of index.manifest.references) {
        if (!present.has(`object/${reference.slice(0, 32)}.json`))
          problems.push({
            path,
            message: `it refers to ${reference}, which the cache does not have`,
          })
      }
      const prepared = await restore(store, storage, index, options)
      prepared.discard()
    } catch (error) {
      if (!(error instanceof MixosError) || error.code === 'CANCELLED') throw error
      problems.push({ path, message: error.message })
    }
  })
  return { checked: objects.length, problems }
}
