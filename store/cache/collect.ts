import { MixosError } from '../../graph/error.ts'
import { type DerivationHash, digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { eachOf } from '../disk/write.ts'
import { readPublished } from '../repository/published.ts'
import { requireCache } from './info.ts'
import { objectPath } from './layout.ts'
import { listed } from './listed.ts'
import { INDEX_LIMIT, type ObjectIndex, parseAnyIndex } from './object-index.ts'
import { DROP_HINT, SIGNED_TRACE_LIMIT, unverifiedTrace } from './signed-trace.ts'
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

/**
 * Deletes what no kept trace leads to, nor a package that the cache offers as a repository. Traces go
 * first, then objects, then packs: whoever reads meanwhile, or after a crash, finds all or nothing,
 * and counts what is gone as a miss. What is there is looked at again ahead of the traces and ahead
 * of the objects, so that what is signed or renewed up to then stays, with all that it leads to.
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
  const remove = (files: readonly StoredFile[]): Promise<void> =>
    eachOf(files, READS, ({ path }) => storage.remove(path, { signal }))
  let { traces, objects, packs } = await deadIn(storage, reader, options)
  if (!dryRun) {
    traces = (await listed(storage, 'trace', signal)).filter(file => !isKept(file, options))
    await remove(traces)
    ;({ objects, packs } = await deadIn(storage, reader, options))
    await remove(objects)
    await remove(packs)
    await withdraw(storage, reader, { gone: new Set(packs.map(nameOf)), signal })
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
): Promise<Record<'traces' | 'objects' | 'packs', readonly StoredFile[]>> {
  const { youngerThan, signal } = options
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
  const live = liveFrom(roots, indexes)
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
  }
}

/** Whoever pushed meanwhile may have relied on a pack that went: then its index goes too, to be pushed again. */
async function withdraw(
  storage: WritableStorage,
  reader: Reader,
  { gone, signal }: { gone: ReadonlySet<string>; signal: AbortSignal },
): Promise<void> {
  if (gone.size === 0) return
  const objects = await listed(storage, 'object', signal)
  for (const [path, { packs }] of (await indexesOf(objects, reader)).indexes) {
    if (packs.some(pack => gone.has(pack)))
      await storage.remove(objectPath(digestOfPath(path)), { signal })
  }
}

/** What an index refers to. */
type Needs = Pick<ObjectIndex, 'path' | 'packs'> & { readonly references: readonly StorePath[] }

/** Reads what is there, and what is there still not again, unless it may have been replaced just now. */
interface Reader {
  /** What a trace names, whoever signed it: whether to believe it is for readers to decide. */
  outputs(file: StoredFile): Promise<StorePath[]>
  /** Undefined for an index that is gone, since a push that finds a pack gone takes its index back. */
  needs(file: StoredFile): Promise<Needs | 'damaged' | undefined>
}

function readerOf(storage: WritableStorage, { signal, youngerThan }: CollectOptions): Reader {
  const outputs = async ({ path }: StoredFile): Promise<StorePath[]> => {
    const bytes = await storage.read(path, { signal, limit: SIGNED_TRACE_LIMIT })
    if (!bytes) return []
    const hash = path.split('/')[1] as DerivationHash
    const trace = unverifiedTrace(bytes, { hash, where: `${storage.name}: ${path}` })
    return Object.values(trace.outputs).map(output => output.path)
  }
  const needs = async ({ path: at }: StoredFile): Promise<Needs | 'damaged' | undefined> => {
    const bytes = await storage.read(at, { signal, limit: INDEX_LIMIT })
    if (!bytes) return undefined
    const { path, packs, manifest } = parsed(bytes, `${storage.name}: ${at}`) ?? {}
    if (!path || !packs || !manifest || at !== objectPath(digestOfPath(path))) return 'damaged'
    return { path, packs, references: manifest.references }
  }
  return { outputs: once(outputs, youngerThan), needs: once(needs, youngerThan) }
}

function once<T>(
  read: (file: StoredFile) => Promise<T>,
  youngerThan: number,
): (file: StoredFile) => Promise<T> {
  const known = new Map<string, Promise<T>>()
  return file => {
    const { path, size, modified } = file
    if (modified >= youngerThan) return read(file)
    const key = `${path} ${modified} ${size}`
    const found = known.get(key) ?? read(file)
    known.set(key, found)
    return found
  }
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

/** Undefined for a damaged one: nobody can use it. */
function parsed(bytes: Uint8Array, where: string): ObjectIndex | undefined {
  try {
    return parseAnyIndex(bytes, where)
  } catch (error) {
    if (error instanceof MixosError && error.code === 'CACHE_INVALID') return undefined
    throw error
  }
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
