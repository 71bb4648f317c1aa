import { type Digest, digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { siblingsIn } from '../cache/local-files.ts'
import { readIndex } from '../cache/pull.ts'
import { restore } from '../cache/restore.ts'
import type { CacheStorage } from '../cache/storage.ts'
import { workersOn } from '../cache/workers.ts'
import { slotsOf } from '../slots.ts'
import type { Store } from '../store.ts'
import { type Verified, verify } from '../verify.ts'
import { flush } from '../write.ts'

export interface RepairOptions {
  /** The object of that digest and where it can be had; undefined where nobody offers it. */
  readonly sourceOf: (digest: Digest) => Promise<Source | undefined>
  readonly signal: AbortSignal
}

export interface Source {
  readonly path: StorePath
  readonly storage: CacheStorage
}

export interface Repaired extends Verified {
  /** Sorted. */
  readonly repaired: readonly StorePath[]
}

/**
 * Fetches anew what is damaged or missing, and verifies again. What nobody offers stays as it is, and is among the
 * problems. Each object is fetched and compared before the damaged one goes. Throws as restoring from a cache does;
 * what was repaired by then stays so.
 */
export async function repair(store: Store, { sourceOf, signal }: RepairOptions): Promise<Repaired> {
  const repaired: StorePath[] = []
  const { problems } = verify(store)
  const wanted = new Set(
    problems.flatMap(({ path, missing = path }) => (missing ? [digestOfPath(missing)] : [])),
  )
  await using workers = workersOn(store.host, { threads: false })
  for (const digest of wanted) {
    const source = await sourceOf(digest)
    if (!source) continue
    const { path, storage } = source
    const index = await readIndex(storage, path, signal)
    const object = await restore(store, storage, index, {
      workers,
      siblings: siblingsIn(store),
      downloads: slotsOf(1),
      signal,
      onBytes: () => undefined,
    })
    // Without its record it is no object, and is replaced.
    store.host.files.unlink(store.layout.record(digest))
    await flush(store.host, [store.layout.records])
    await object.commit()
    repaired.push(path)
  }
  return { ...verify(store), repaired: repaired.sort() }
}
