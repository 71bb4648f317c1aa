import { MixosError } from '../../graph/error.ts'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { eachOf } from '../disk/write.ts'
import { readPublished } from '../repository/published.ts'
import { type Indexes, type Needs, type Reader, readerOf } from './collect-reader.ts'
import { requireCache } from './info.ts'
import { objectPath } from './layout.ts'
import { listed } from './listed.ts'
import { INDEX_LIMIT } from './object-index.ts'
import { DROP_HINT } from './signed-trace.ts'
import type { StoredFile, WritableStorage } from './storage.ts'

export interface CollectOptions {
  /** Derivations and resolved derivations to keep, whatever their age. */
  readonly keep: ReadonlySet<string>
  /** Traces written later than this are kept, in milliseconds since the epoch; a push renews those that it finds. */
  readonly since: number
  /** Files that are younger than this are left alone: someone may be pushing. */
  readonly youngerThan: number
  readonly signal: AbortSignal
  readonly dryRun: boolean
}

export interface CollectedCache {
  readonly traces: number
  readonly objects: number
  readonly packs: number
  readonly bytes: number
}

const READS = 64

/** Bytes of indexes that are kept until it is known whether they go. */
const BATCH_BYTES = INDEX_LIMIT

/**
 * Deletes what no kept trace leads to, nor a package that the cache offers as a repository. Traces go
 * first, then objects, then packs: whoever reads meanwhile, or after a crash, finds all or nothing,
 * and counts what is gone as a miss.
 *
 * A push may run at any time: what it signed is there when it is done. It looks for all objects once more after it has
 * signed. Where a collection looks for traces after an index has gone, it either finds the new one, and puts the index
 * back, or that trace is written later: then the push's last look is later still, and it pushes what is missing. No pack
 * goes before this is settled, nor one that any index needs by then. A push relies on no other pack: those that it writes
 * have names that were not there, and an index whose packs it shares is there after its own was written. Of several
 * collections at once, none knows what the others keep, so one at a time.
 *
 * Throws CACHE_FOREIGN for what is no cache, or none that we can read, and CACHE_INVALID, before anything is
 * deleted, where a kept trace or a live object's index is damaged: what they refer to cannot be told.
 */
export async function collectCache(
  storage: WritableStorage,
  options: CollectOptions,
): Promise<CollectedCache> {
  const { signal, dryRun } = options
  await requireCache(storage, signal)
  const reader = readerOf(storage, options)
  let { traces, objects, packs } = await deadIn(storage, reader, options)
  if (!dryRun) {
    traces = (await listed(storage, 'trace', signal)).filter(file => !isKept(file, options))
    await eachOf(traces, READS, ({ path }) => storage.remove(path, { signal }))
    objects = await removeObjects(storage, reader, options)
    packs = await removePacks(storage, reader, options)
  }
  return {
    traces: traces.length,
    objects: objects.length,
    packs: packs.length,
    bytes: [...traces, ...objects, ...packs].reduce((sum, { size }) => sum + size, 0),
  }
}

function isKept({ path, modified }: StoredFile, { keep, since, youngerThan }: CollectOptions) {
  return modified >= since || modified >= youngerThan || keep.has(path.split('/')[1] ?? '')
}

/** What is dead, as far as can be told now. */
async function deadIn(
  storage: WritableStorage,
  reader: Reader,
  options: CollectOptions,
): Promise<Record<'traces' | 'objects' | 'packs', readonly StoredFile[]> & { indexes: Indexes }> {
  const { youngerThan, signal } = options
  const { traces, objects, live, indexes, damaged } = await look(storage, reader, options)
  requireWhole(storage, live, damaged)
  const packs = new Set([...live].flatMap(path => indexes.get(path)?.packs ?? []))
  const digests = new Set<string>(
    [...indexes.keys()].filter(path => live.has(path)).map(digestOfPath),
  )
  const isDead = (file: StoredFile, live: ReadonlySet<string>): boolean =>
    !live.has(nameOf(file)) && file.modified < youngerThan
  const all = await listed(storage, 'pack', signal)
  return {
    traces: traces.filter(file => !isKept(file, options)),
    objects: objects.filter(file => isDead(file, digests)),
    packs: all.filter(file => isDead(file, packs)),
    indexes,
  }
}

interface Look {
  readonly traces: readonly StoredFile[]
  readonly objects: readonly StoredFile[]
  /** What kept traces, packages that are offered and objects that are being pushed lead to. */
  readonly live: ReadonlySet<StorePath>
  readonly indexes: Indexes
  readonly damaged: ReadonlySet<string>
}

/** What is there now. Where indexes have gone, what is `known` of them still leads on. */
async function look(
  storage: WritableStorage,
  reader: Reader,
  options: CollectOptions & { readonly known?: Indexes },
): Promise<Look> {
  const { youngerThan, signal, known = new Map() } = options
  const traces = await listed(storage, 'trace', signal)
  const kept = traces.filter(file => isKept(file, options))
  const roots = new Set((await eachRead(kept, reader.outputs)).flat())
  for (const { closure } of (await readPublished(storage, { signal })).index.packages)
    for (const path of closure) roots.add(path)
  const objects = await listed(storage, 'object', signal)
  const { indexes, damaged } = await indexesOf(objects, reader)
  // What is being pushed has no trace yet.
  const young = new Set(objects.filter(({ modified }) => modified >= youngerThan).map(nameOf))
  for (const path of indexes.keys()) if (young.has(digestOfPath(path))) roots.add(path)
  const live = liveFrom(roots, new Map([...known, ...indexes]))
  return { traces, objects, live, indexes, damaged }
}

/** Deletes the indexes of dead objects, but for those that turn out to be live then. */
async function removeObjects(
  storage: WritableStorage,
  reader: Reader,
  options: CollectOptions,
): Promise<readonly StoredFile[]> {
  const { objects, indexes: known } = await deadIn(storage, reader, options)
  const gone: StoredFile[] = []
  for (const batch of batchesOf(objects))
    gone.push(...(await removeBatch(storage, reader, { batch, ...options, known })))
  return gone
}

async function removeBatch(
  storage: WritableStorage,
  reader: Reader,
  { batch, ...options }: CollectOptions & { batch: readonly StoredFile[]; known: Indexes },
): Promise<readonly StoredFile[]> {
  const { signal } = options
  const removed = new Map<StoredFile, Uint8Array>()
  // Where the second look fails, nothing is known of any: all are put back.
  let isLive = (_: StoredFile): boolean => true
  try {
    await eachOf(batch, READS, async file => {
      const bytes = await reader.bytes(file)
      if (bytes) removed.set(file, bytes)
      await storage.remove(file.path, { signal })
    })
    const { live } = await look(storage, reader, options)
    const digests = new Set<string>([...live].map(digestOfPath))
    isLive = file => digests.has(nameOf(file))
  } finally {
    const back = [...removed].filter(([file]) => isLive(file))
    // Also where the collection is ended in between.
    const { signal } = new AbortController()
    await eachOf(back, READS, ([{ path }, bytes]) => storage.write(path, bytes, { signal }))
  }
  return batch.filter(file => !isLive(file))
}

function batchesOf(files: readonly StoredFile[]): StoredFile[][] {
  const batches: StoredFile[][] = []
  let room = 0
  for (const file of files) {
    if (batches.length === 0 || file.size > room) {
      batches.push([])
      room = BATCH_BYTES
    }
    batches.at(-1)?.push(file)
    room -= file.size
  }
  return batches
}

/** Deletes the packs that no index needs. */
async function removePacks(
  storage: WritableStorage,
  reader: Reader,
  { youngerThan, signal }: CollectOptions,
): Promise<readonly StoredFile[]> {
  const { indexes } = await indexesOf(await listed(storage, 'object', signal), reader)
  const live = new Set([...indexes.values()].flatMap(({ packs }) => packs))
  const all = await listed(storage, 'pack', signal)
  const dead = all.filter(file => !live.has(nameOf(file)) && file.modified < youngerThan)
  await eachOf(dead, READS, ({ path }) => storage.remove(path, { signal }))
  return dead
}

async function eachRead<T>(
  files: readonly StoredFile[],
  read: (file: StoredFile) => Promise<T>,
): Promise<T[]> {
  const found: T[] = []
  await eachOf(files, READS, async file => void found.push(await read(file)))
  return found
}

async function indexesOf(
  objects: readonly StoredFile[],
  reader: Reader,
): Promise<{ indexes: Map<StorePath, Needs>; damaged: Set<string> }> {
  const indexes = new Map<StorePath, Needs>()
  const damaged = new Set<string>()
  await eachOf(objects, READS, async file => {
    const found = await reader.needs(file)
    if (found === 'damaged') damaged.add(file.path)
    else if (found) indexes.set(found.path, found)
  })
  return { indexes, damaged }
}

/** What a damaged index refers to cannot be told: of a live object, that would be deleted. */
function requireWhole(
  { name }: WritableStorage,
  live: ReadonlySet<StorePath>,
  damaged: ReadonlySet<string>,
): void {
  for (const path of live) {
    const at = objectPath(digestOfPath(path))
    if (!damaged.has(at)) continue
    throw new MixosError('CACHE_INVALID', `${name}: ${at} is not the index of ${path}`, {
      hint: DROP_HINT,
    })
  }
}

function liveFrom(
  roots: ReadonlySet<StorePath>,
  indexes: ReadonlyMap<StorePath, Needs>,
): Set<StorePath> {
  const live = new Set(roots)
  for (const path of live) {
    for (const reference of indexes.get(path)?.references ?? []) live.add(reference)
  }
  return live
}

/** The last part of its path, without what follows the first dot. */
function nameOf({ path }: StoredFile): string {
  return (path.split('/').at(-1) ?? '').replace(/\..*$/, '')
}
