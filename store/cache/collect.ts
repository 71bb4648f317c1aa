import { MixosError } from '../../graph/error.ts'
import { type DerivationHash, digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { readPublished } from '../repository/published.ts'
import { eachOf } from '../write.ts'
import { requireCache } from './info.ts'
import { objectPath } from './layout.ts'
import { listed } from './listed.ts'
import { type ObjectIndex, parseAnyIndex } from './object-index.ts'
import { DROP_HINT, unverifiedTrace } from './signed-trace.ts'
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
const LIMIT = 64 << 20

/**
 * Deletes what no kept trace leads to, nor a package that the cache offers as a repository. Traces go first, then
 * objects, then packs: whoever reads meanwhile, or after a crash, finds all or nothing, and counts what is gone as a
 * miss. Throws CACHE_FOREIGN for what is no cache, or none that we can read, and CACHE_INVALID, before anything is
 * deleted, where a kept trace or a live object's index is damaged: what they refer to cannot be told.
 */
export async function collectCache(
  storage: WritableStorage,
  { keep, since, youngerThan, signal, dryRun }: CollectOptions,
): Promise<CollectedCache> {
  await requireCache(storage, signal)
  const traces = await listed(storage, 'trace', signal)
  const isKept = ({ path, modified }: StoredFile): boolean =>
    modified >= since || modified >= youngerThan || keep.has(path.split('/')[1] ?? '')
  const roots = await rootsOf(storage, traces.filter(isKept), signal)
  for (const { closure } of (await readPublished(storage, { signal })).index.packages)
    for (const path of closure) roots.add(path)
  const objects = await listed(storage, 'object', signal)
  const { indexes, damaged } = await indexesOf(storage, objects, signal)
  // What is being pushed has no trace yet.
  const young = new Set(objects.filter(({ modified }) => modified >= youngerThan).map(nameOf))
  for (const path of indexes.keys()) if (young.has(digestOfPath(path))) roots.add(path)
  const live = liveFrom(roots, indexes)
  requireWhole(storage, live, damaged)
  const packs = new Set([...live].flatMap(path => indexes.get(path)?.packs ?? []))

  const isDead = ({ modified }: StoredFile, isLive: boolean): boolean =>
    !isLive && modified < youngerThan
  const deadTraces = traces.filter(file => !isKept(file))
  const digests = new Set<string>(
    [...indexes.keys()].filter(path => live.has(path)).map(digestOfPath),
  )
  const deadObjects = objects.filter(file => isDead(file, digests.has(nameOf(file))))
  const all = await listed(storage, 'pack', signal)
  const deadPacks = all.filter(file => isDead(file, packs.has(nameOf(file))))
  if (!dryRun) {
    for (const files of [deadTraces, deadObjects, deadPacks]) {
      await eachOf(files, READS, ({ path }) => storage.remove(path, { signal }))
    }
    await withdraw(storage, new Set(deadPacks.map(nameOf)), signal)
  }
  const dead = [...deadTraces, ...deadObjects, ...deadPacks]
  return {
    traces: deadTraces.length,
    objects: deadObjects.length,
    packs: deadPacks.length,
    bytes: dead.reduce((sum, { size }) => sum + size, 0),
  }
}

/** Whoever pushed meanwhile may have relied on a pack that went: then its index goes too, to be pushed again. */
async function withdraw(
  storage: WritableStorage,
  gone: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  if (gone.size === 0) return
  const objects = await listed(storage, 'object', signal)
  for (const [path, index] of (await indexesOf(storage, objects, signal)).indexes) {
    if (!index.packs.some(pack => gone.has(pack))) continue
    await storage.remove(objectPath(digestOfPath(path)), { signal })
  }
}

/** What traces name, whoever signed them: whether to believe them is for readers to decide. */
async function rootsOf(
  storage: WritableStorage,
  traces: readonly StoredFile[],
  signal: AbortSignal,
): Promise<Set<StorePath>> {
  const roots = new Set<StorePath>()
  await eachOf(traces, READS, async ({ path }) => {
    const bytes = await storage.read(path, { signal, limit: LIMIT })
    if (!bytes) return
    const hash = path.split('/')[1] as DerivationHash
    const where = `${storage.name}: ${path}`
    const { outputs } = unverifiedTrace(bytes, { hash, where })
    for (const output of Object.values(outputs)) roots.add(output.path)
  })
  return roots
}

async function indexesOf(
  storage: WritableStorage,
  objects: readonly StoredFile[],
  signal: AbortSignal,
): Promise<{ indexes: Map<StorePath, ObjectIndex>; damaged: Set<string> }> {
  const indexes = new Map<StorePath, ObjectIndex>()
  const damaged = new Set<string>()
  await eachOf(objects, READS, async ({ path }) => {
    const bytes = await storage.read(path, { signal, limit: LIMIT })
    // A push that finds a pack gone takes its index back.
    if (!bytes) return
    const index = parsed(bytes, `${storage.name}: ${path}`)
    if (index && path === objectPath(digestOfPath(index.path))) indexes.set(index.path, index)
    else damaged.add(path)
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
  indexes: ReadonlyMap<StorePath, ObjectIndex>,
): Set<StorePath> {
  const live = new Set(roots)
  for (const path of live) {
    for (const reference of indexes.get(path)?.manifest.references ?? []) live.add(reference)
  }
  return live
}

/** The last part of its path, without what follows the first dot. */
function nameOf({ path }: StoredFile): string {
  return (path.split('/').at(-1) ?? '').replace(/\..*$/, '')
}
