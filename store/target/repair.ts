import { MixosError } from '../../graph/error.ts'
import {
  type Digest,
  digestOfPath,
  labelOfPath,
  parseStorePath,
  type StorePath,
} from '../../graph/store-path.ts'
import { readIndex } from '../cache/index-reader.ts'
import { siblingsIn } from '../cache/local-files.ts'
import { restore } from '../cache/restore.ts'
import type { CacheStorage } from '../cache/storage.ts'
import { workersOn } from '../cache/workers.ts'
import { slotsOf } from '../slots.ts'
import type { Store } from '../store.ts'
import { type Progress, type Verified, verify } from '../verify.ts'

export interface RepairOptions {
  /** The object of that digest and where it can be had; undefined where nobody offers it. */
  readonly sourceOf: (digest: Digest) => Promise<Source | undefined>
  readonly signal: AbortSignal
  readonly onProgress?: (progress: Progress) => void
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
 * Fetches anew what is damaged or missing, and verifies again. What nobody offers gets its record
 * anew if it is whole otherwise, as a profile may be; else it stays as it is, and is among the
 * problems. Each object is fetched and compared before the damaged one goes, and takes its place
 * in one step. Throws as restoring from a cache does; what was repaired by then stays so.
 */
export async function repair(store: Store, options: RepairOptions): Promise<Repaired> {
  const repaired: StorePath[] = []
  const tried = new Set<Digest>()
  // What was brought back may need what is missing too.
  for (;;) {
    const found = await verify(store, options)
    const wanted = wantedOf(found).filter(path => !tried.has(digestOfPath(path)))
    if (wanted.length === 0) return { ...found, repaired: repaired.sort() }
    for (const path of wanted) {
      if (tried.has(digestOfPath(path))) continue
      tried.add(digestOfPath(path))
      const done = await repairOne(store, path, options)
      if (done) repaired.push(done)
    }
  }
}

const wantedOf = ({ problems }: Verified): StorePath[] =>
  problems.flatMap(({ path, missing = path }) => missing ?? [])

/** The path of what was repaired: in a problem, the label may not be known. */
async function repairOne(
  store: Store,
  named: StorePath,
  { sourceOf, signal }: RepairOptions,
): Promise<StorePath | undefined> {
  const source = await sourceOf(digestOfPath(named))
  if (!source) return (await recordAnew(store, named)) ? named : undefined
  const { path, storage } = source
  await using workers = workersOn(store.host, { threads: false })
  const index = await readIndex(storage, path, signal)
  const object = await restore(store, storage, index, {
    workers,
    siblings: siblingsIn(store),
    downloads: slotsOf(1),
    signal,
    onBytes: () => undefined,
  })
  await object.commit({ replace: true })
  return path
}

/** Makes a tree that is what its name says an object again. False where it is not. */
async function recordAnew(store: Store, path: StorePath): Promise<boolean> {
  const { host, layout } = store
  const source = store.hostPath(path)
  if (!host.files.lstat(source)) return false
  const trees = host.files.list(layout.objects).flatMap(name => parseStorePath(name) ?? [])
  const candidates = new Map(trees.map(tree => [digestOfPath(tree), tree]))
  const self = digestOfPath(path)
  candidates.delete(self)
  try {
    const label = labelOfPath(path)
    const copy = store.prepare({ source, label, self, candidates, maker: source })
    if (copy.path === path) await copy.commit({ replace: true })
    else copy.discard()
    return copy.path === path
  } catch (error) {
    if (error instanceof MixosError && error.code === 'BUILD_OUTPUT_INVALID') return false
    throw error
  }
}
