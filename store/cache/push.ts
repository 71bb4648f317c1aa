import { blake3Hex } from '../../graph/blake3.ts'
import { topologicalOrder } from '../../graph/closure.ts'
import { MixosError } from '../../graph/error.ts'
import { digestOfPath, labelOfPath, type StorePath } from '../../graph/store-path.ts'
import { eachOf } from '../disk/write.ts'
import type { Report } from '../event.ts'
import type { Host } from '../host.ts'
import { objectClosure, recordOf, referencesOf } from '../object-closure.ts'
import type { Store } from '../store.ts'
import type { Trace } from '../traces.ts'
import { readIndex } from './index-reader.ts'
import { indexWriter, requireReadable } from './index-writer.ts'
import { initialise } from './info.ts'
import { objectPath, packPath } from './layout.ts'
import { siblingsIn, VERSIONS } from './local-files.ts'
import { leastSize, type ObjectIndex } from './object-index.ts'
import { packObject, type Reusable, reusableFiles } from './pack-object.ts'
import { packerOf, skippedFrame } from './packer.ts'
import { type PublishOptions, passOn, publishTrace } from './publish-trace.ts'
import type { WritableStorage } from './storage.ts'

export interface PushOptions extends PublishOptions {
  readonly report: Report
}

export interface Pushed {
  readonly objects: number
  /** Of those, how many the cache had. */
  readonly present: number
  /** Traces that the cache did not have from this signer, or has had for more than a day. */
  readonly signed: number
  /** Traces, made elsewhere, of which the cache did not have all that others signed. */
  readonly passedOn: number
  /** Compressed bytes of files that were written. */
  readonly bytes: number
}

/** Of objects alone. */
type Objects = Omit<Pushed, 'signed' | 'passedOn'>

const LOOKUPS = 64
const WRITES = 32
// Objects whose versions before are looked up while one is packed.
const AHEAD = LOOKUPS / VERSIONS
// A collection that runs meanwhile takes something from under a push once, or twice.
const ROUNDS = 4
const NO_INDEX: ReadonlySet<string> = new Set(['CACHE_INCOMPLETE', 'CACHE_INVALID'])

/**
 * Copies what the traces name, with all that it refers to, and signs the traces of what was made here; of what was taken
 * from caches, it passes on the words of those who were believed. Each file is written before
 * what refers to it: packs, then indexes (a reference's before its referrer's), then traces. So at every
 * moment, also after a crash, a reader finds all or nothing of an object; pushing again goes on.
 *
 * Only traces keep a collection from what was found present. Where one had to be signed, all is looked at once more.
 */
export async function push(
  store: Store,
  storage: WritableStorage,
  traces: readonly Trace[],
  { report, ...options }: PushOptions,
): Promise<Pushed> {
  const { signal } = options
  const roots = traces.flatMap(trace => Object.values(trace.outputs))
  const signed = new Set<Trace>()
  const passedOn = new Set<Trace>()
  let first: Objects | undefined
  let bytes = 0
  for (let round = 0; round < ROUNDS; round++) {
    const pushed = await pushObjects(store, storage, roots, { signal, report })
    first ??= pushed
    bytes += pushed.bytes
    await eachOf(traces, WRITES, async trace => {
      const { statements } = trace
      if (statements) {
        if (await passOn(storage, statements, signal)) passedOn.add(trace)
      } else if (await publishTrace(store, storage, trace, options)) signed.add(trace)
    })
    const wasThere = pushed.present === pushed.objects && signed.size + passedOn.size === 0
    if (wasThere || (await missingOf(objectClosure(store, roots), storage, signal)).length === 0)
      return { ...first, bytes, signed: signed.size, passedOn: passedOn.size }
  }
  throw notKept(storage)
}

/**
 * The same for objects alone, of which nothing is said: their paths are
 * hashes. Whoever then names them, where collections look, calls it again.
 */
export async function pushObjects(
  store: Store,
  storage: WritableStorage,
  roots: readonly StorePath[],
  options: Pick<PushOptions, 'signal' | 'report'>,
): Promise<Objects> {
  for (let round = 0; round < ROUNDS; round++) {
    const pushed = await pushOnce(store, storage, roots, options)
    if (pushed) return pushed
  }
  throw notKept(storage)
}

function notKept({ name }: WritableStorage): MixosError {
  return new MixosError('CACHE_INCOMPLETE', `${name} does not keep what it is given`, {
    hint: 'is somebody collecting its garbage over and over? Look at it with: mixos cache verify CACHE',
  })
}

/** Undefined where packs went meanwhile, or may be going, that it relied on. */
async function pushOnce(
  store: Store,
  storage: WritableStorage,
  roots: readonly StorePath[],
  { signal, report }: Pick<PushOptions, 'signal' | 'report'>,
): Promise<Objects | undefined> {
  await initialise(storage, signal)
  const order = topologicalOrder(
    objectClosure(store, roots),
    path => referencesOf(store, path),
    path => path,
  )
  const missing = await missingOf(order, storage, signal)
  let bytes = 0
  const packer = packerOf(async pack => {
    bytes += pack.length
    return writePack(store.host, storage, { pack, signal })
  })
  const writer = indexWriter(storage, signal)
  const written: Promise<Written>[] = []
  const reusable = reusableIn(store, storage, { missing, signal })
  try {
    for (const [at, path] of missing.entries()) {
      signal.throwIfAborted()
      const record = recordOf(store, path)
      requireReadable(path, leastSize(record.manifest))
      report({ type: 'pushing', label: labelOfPath(path), size: record.size })
      const { index, versions } = await packObject(store, record, {
        packer,
        reusable: await reusable(at),
      })
      written.push(index.then(({ packs }) => ({ path, packs, versions })))
      written.at(-1)?.catch(() => undefined)
      writer.write(path, index)
    }
  } finally {
    await packer.finish()
  }
  const areTaken = await writer.finish()
  if ((await withdrawn(storage, await Promise.all(written), signal)) || !areTaken) return undefined
  return { objects: order.length, present: order.length - missing.length, bytes }
}

/**
 * Gives the pack's name, which no pack had before: a collection that runs may be about to delete one of that name, and
 * its bytes say what it is called. A last frame that nobody reads makes it another one.
 */
async function writePack(
  host: Host,
  storage: WritableStorage,
  { pack, signal }: { pack: Buffer; signal: AbortSignal },
): Promise<string> {
  const hash = blake3Hex(pack)
  if (await storage.has(packPath(hash), { signal })) {
    const other = Buffer.concat([pack, skippedFrame(Buffer.from(host.randomHex(32)))])
    return writePack(host, storage, { pack: other, signal })
  }
  await storage.write(packPath(hash), pack, { signal })
  return hash
}

/** What is remembered of an index that was written. */
interface Written {
  readonly path: StorePath
  readonly packs: readonly string[]
  /** The objects whose packs it shares. */
  readonly versions: ReadonlySet<StorePath>
}

/**
 * A collection may have taken a pack that an index relies on, or be about to, where the version that it is shared with
 * has gone: then the index goes, to be pushed again.
 */
async function withdrawn(
  storage: WritableStorage,
  indexes: readonly Written[],
  signal: AbortSignal,
): Promise<boolean> {
  const packs = new Set(indexes.flatMap(index => index.packs))
  const versions = new Set(indexes.flatMap(index => [...index.versions]))
  const gone = new Set<string>(await missingOf(versions, storage, signal))
  await eachOf(packs, LOOKUPS, async pack => {
    if (!(await storage.has(packPath(pack), { signal }))) gone.add(pack)
  })
  const lost = indexes.filter(({ packs, versions }) =>
    [...packs, ...versions].some(relied => gone.has(relied)),
  )
  await eachOf(lost, WRITES, ({ path }) =>
    storage.remove(objectPath(digestOfPath(path)), { signal }),
  )
  return lost.length > 0
}

async function missingOf(
  paths: Iterable<StorePath>,
  storage: WritableStorage,
  signal: AbortSignal,
): Promise<StorePath[]> {
  const present = new Set<StorePath>()
  await eachOf(paths, LOOKUPS, async path => {
    if (await storage.has(objectPath(digestOfPath(path)), { signal })) present.add(path)
  })
  return [...paths].filter(path => !present.has(path))
}

/**
 * What the cache has of other versions of objects that it lacks, to be asked for in
 * their order, by their place in it. The indexes are looked up ahead, each once.
 */
function reusableIn(
  store: Store,
  storage: WritableStorage,
  { missing, signal }: { missing: readonly StorePath[]; signal: AbortSignal },
): (at: number) => Promise<ReadonlyMap<string, Reusable>> {
  const siblings = siblingsIn(store)
  const lacked = new Set(missing)
  const versions = missing.map(path =>
    siblings(path)
      .filter(other => !lacked.has(other))
      .slice(0, VERSIONS),
  )
  const lastUse = new Map(versions.flatMap((others, at) => others.map(other => [other, at])))
  const known = new Map<StorePath, Promise<ObjectIndex | undefined>>()
  const lookUp = (other: StorePath): Promise<ObjectIndex | undefined> => {
    const found = known.get(other) ?? indexIn(storage, other, signal)
    known.set(other, found)
    // Whoever waits for it hears of a failure, and perhaps nobody does.
    found.catch(() => undefined)
    return found
  }
  let next = 0
  return async at => {
    for (; next < versions.length && next <= at + AHEAD; next++) versions[next]?.forEach(lookUp)
    const others = versions[at] ?? []
    const indexes = await Promise.all(others.map(lookUp))
    for (const other of others) if (lastUse.get(other) === at) known.delete(other)
    return reusableFiles(indexes.filter(index => index !== undefined))
  }
}

/** Undefined where the cache has none that can be used. */
async function indexIn(
  storage: WritableStorage,
  path: StorePath,
  signal: AbortSignal,
): Promise<ObjectIndex | undefined> {
  try {
    return await readIndex(storage, path, signal)
  } catch (error) {
    if (error instanceof MixosError && NO_INDEX.has(error.code)) return undefined
    throw error
  }
}
