import { MixosError } from '../../graph/error.ts'
import { type DerivationHash, digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { eachOf } from '../disk/write.ts'
import type { Report } from '../event.ts'
import { slotsOf } from '../slots.ts'
import type { Store } from '../store.ts'
import { asStoreError } from '../store-error.ts'
import { usingStore } from '../using-store.ts'
import { requireCache } from './info.ts'
import type { PublicKey } from './keys.ts'
import { objectPath } from './layout.ts'
import { listed } from './listed.ts'
import { INDEX_LIMIT, parseAnyIndex } from './object-index.ts'
import { restore } from './restore.ts'
import { restoreThreads } from './restore-threads.ts'
import { SIGNED_TRACE_LIMIT, unverifiedTrace, verifyWhenever } from './signed-trace.ts'
import type { WritableStorage } from './storage.ts'
import { workersOn } from './workers.ts'

export interface CacheProblem {
  readonly path: string
  readonly message: string
}

export interface VerifiedCache {
  readonly objects: number
  readonly traces: number
  /** Of these, how many are of keys that are not among those given, so that their signatures were not verified. */
  readonly unverified: number
  readonly problems: readonly CacheProblem[]
}

export interface VerifyCacheOptions {
  /** Whose signatures are verified. Of other signers' traces, all else is. */
  readonly keys: readonly PublicKey[]
  /** Delete what is damaged: then it is missing, and the next push writes it anew. */
  readonly drop: boolean
  readonly signal: AbortSignal
  readonly report: Report
}

const OBJECTS = 4
const TRACES = 64

/**
 * Restores every object of a cache beside the store, which compares every byte with its manifest, and throws it away;
 * then reads every trace. Also told is an object that something refers to and the cache does not have. Throws
 * CACHE_FOREIGN for what is no cache, and DISK_FULL or STORE_READ_ONLY where nothing can be restored.
 */
export function verifyCache(
  store: Store,
  storage: WritableStorage,
  options: VerifyCacheOptions,
): Promise<VerifiedCache> {
  // To a garbage collection, what is restored looks like what a crash left.
  const work = usingStore(store, options, () => verifyAll(store, storage, options))
  return work.catch(error => {
    throw asStoreError(error, store.directory)
  })
}

async function verifyAll(
  store: Store,
  storage: WritableStorage,
  { keys, drop, signal }: VerifyCacheOptions,
): Promise<VerifiedCache> {
  await requireCache(storage, signal)
  // In this order, since a push writes a trace after what it names.
  const traces = await listed(storage, 'trace', signal)
  const objects = await listed(storage, 'object', signal)
  const present = new Set(objects.map(({ path }) => path))
  const problems: CacheProblem[] = []
  let unverified = 0
  const missing = (paths: readonly StorePath[]): string[] =>
    paths
      .filter(path => !present.has(objectPath(digestOfPath(path))))
      .map(path => `it refers to ${path}, which the cache does not have`)
  /** What is wrong with one file; where that throws, the file itself is damaged. */
  const check = async (path: string, problemsOf: () => Promise<string[]>): Promise<void> => {
    try {
      for (const message of await problemsOf()) problems.push({ path, message })
    } catch (error) {
      if (!(error instanceof MixosError) || !DAMAGE.has(error.code)) throw error
      problems.push({ path, message: error.message.replace(`${path}: `, '') })
      if (drop) await storage.remove(path, { signal })
    }
  }

  await using workers = workersOn(store.host, {
    threads: restoreThreads(store.host.processes.cpus),
  })
  const downloads = slotsOf(8)
  const options = { workers, downloads, signal, siblings: () => [], onBytes: () => undefined }
  await eachOf(objects, OBJECTS, ({ path }) =>
    check(path, async () => {
      const bytes = await storage.read(path, { signal, limit: INDEX_LIMIT })
      if (!bytes) return []
      const index = parseAnyIndex(bytes, path)
      if (path !== objectPath(digestOfPath(index.path)))
        throw new MixosError('CACHE_INVALID', `it is the index of ${index.path}`)
      const prepared = await restore(store, storage, index, options)
      prepared.discard()
      return missing(index.manifest.references)
    }),
  )
  await eachOf(traces, TRACES, ({ path }) =>
    check(path, async () => {
      const bytes = await storage.read(path, { signal, limit: SIGNED_TRACE_LIMIT })
      if (!bytes) return []
      const [, hash = '', file = ''] = path.split('/')
      const key = keys.find(({ id }) => file === `${id}.json`)
      const options = { hash: hash as DerivationHash, where: path }
      // Whether it still holds, and by whose clock, is for readers to say.
      if (!key) unverified++
      const { outputs } = key
        ? verifyWhenever(bytes, { ...options, key })
        : unverifiedTrace(bytes, options)
      return missing(Object.values(outputs).map(({ path }) => path))
    }),
  )
  return { objects: objects.length, traces: traces.length, unverified, problems }
}

const DAMAGE: ReadonlySet<string> = new Set([
  'CACHE_INCOMPLETE',
  'CACHE_INVALID',
  'OBJECT_INVALID',
  'SIGNATURE_INVALID',
])
