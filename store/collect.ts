import { basename, join } from 'node:path'
import { closureOf, topologicalOrder } from '../graph/closure.ts'
import { MixosError } from '../graph/error.ts'
import { digestOfPath, parseStorePath, type StorePath } from '../graph/store-path.ts'
import { type Breaks, breaksOf } from './breaks.ts'
import type { Lock } from './disk/path-lock.ts'
import { removeTree } from './disk/remove.ts'
import { reasonOf } from './disk/system-error.ts'
import { flush } from './disk/write.ts'
import type { RecordHead } from './records.ts'
import { listRoots, type Root, staleRoots } from './roots.ts'
import type { Store } from './store.ts'
import { asStoreError } from './store-error.ts'
import { storeLock } from './store-lock.ts'
import { parseTrace } from './traces.ts'

export interface Collected {
  /** Objects that no root needs, sorted. */
  readonly objects: readonly StorePath[]
  /** Of those objects' files. */
  readonly bytes: number
  /** Everything else: what a crash left, traces of what is gone, logs without a trace. Paths on this machine. */
  readonly leftovers: readonly string[]
}

/** What a collection would delete now, if the forgotten links were no roots. Throws as `collect`. */
export function garbageOf(store: Store, forgotten: ReadonlySet<string> = new Set()): Collected {
  const { host, layout } = store
  const valid = store.paths()
  const isValid = new Set(valid)
  const roots = listRoots(store).filter(root => !forgotten.has(root.link))
  const live = liveOf(store, roots, isValid)
  const liveDigests = new Set([...live].map(digestOfPath))
  // A tree beside a live one of the same digest, such as a copy that somebody made, has no record of its own.
  const objects = valid.filter(path => !liveDigests.has(digestOfPath(path)))
  const trees = new Set([...objects, ...live])
  const list = (directory: string): string[] =>
    host.files.list(directory).map(name => join(directory, name))
  // A live record without a tree says what is to be brought back, and what that needs.
  const records = new Set([...valid, ...live].map(path => layout.record(digestOfPath(path))))
  const isLive = (path: string) => leadsToOnly(live, host.files.read(path), path)
  const traces = Map.groupBy(list(layout.traces), isLive)
  const kept = new Set(traces.get(true)?.map(path => basename(path)))
  const leftovers = [
    ...list(layout.scratch),
    ...list(layout.objects).filter(path => !trees.has(parseStorePath(basename(path)) as StorePath)),
    ...list(layout.records).filter(path => !records.has(path)),
    ...(traces.get(false) ?? []),
    ...list(layout.logs).filter(path => !kept.has(basename(path, '.log'))),
    ...staleRoots(store),
  ]
  const bytes = objects.reduce((sum, path) => sum + (headOf(store, path)?.size ?? 0), 0)
  return { objects, bytes, leftovers }
}

/** The roots and all they need, as far as anything of it is here. */
function liveOf(
  store: Store,
  roots: readonly Root[],
  isValid: ReadonlySet<StorePath>,
): Set<StorePath> {
  const { host, layout } = store
  const isHere = (path: StorePath, needer: string): boolean => {
    if (isValid.has(path)) return true
    const at = layout.record(digestOfPath(path))
    if (host.files.lstat(at)) return true
    if (!host.files.lstat(layout.object(path))) return false
    throw new MixosError('RECORD_INVALID', `${at}: it is missing, and ${needer} needs ${path}`)
  }
  const paths = roots.filter(({ link, path }) => isHere(path, link)).map(({ path }) => path)
  return closureOf(paths, path => {
    const references = store.head(path)?.references ?? []
    const here = references.filter(needed => isHere(needed, path))
    // Read whole and compared with its hash: what a damaged record names instead of a reference is not here.
    if (here.length < references.length) store.record(path)
    return here
  })
}

/** Undefined for a dead object's record that cannot be read: it goes anyway. */
function headOf(store: Store, path: StorePath): RecordHead | undefined {
  return ifValid(() => store.head(path))
}

/** False also for what is no trace: nothing can use it. */
function leadsToOnly(live: ReadonlySet<StorePath>, text: Buffer | undefined, at: string): boolean {
  const trace = text && ifValid(() => parseTrace(text.toString(), basename(at), at))
  return trace !== undefined && Object.values(trace.outputs).every(path => live.has(path))
}

function ifValid<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof MixosError && error.code === 'RECORD_INVALID') return undefined
    throw error
  }
}

/**
 * Deletes what no root needs, and what crashes left behind. Waits until nothing realizes in the store and keeps others
 * from starting. Order: traces, then records, referrers first, then trees. So a crash leaves no record of a
 * half-deleted object, and none that refers to what is gone. Needs no free space. What cannot be deleted keeps nothing
 * else from it, and is FILE_UNAVAILABLE in the end. Throws RECORD_INVALID, and deletes nothing, where the record of
 * something that a root needs is damaged or missing; CANCELLED where `signal` aborts, and the next one goes on.
 */
export async function collect(
  store: Store,
  options: { signal: AbortSignal; onWait?: () => void },
): Promise<Collected> {
  const { host, layout } = store
  let lock: Lock | undefined
  try {
    lock = await storeLock(store, 'store', options)
    const garbage = garbageOf(store)
    const turns = { breaks: breaksOf(host), signal: options.signal }
    const failures = await removeEach(store, garbage.leftovers, turns)
    await flush(host, [layout.traces])
    const references = (path: StorePath) => headOf(store, path)?.references ?? []
    const dead = new Set(garbage.objects)
    const order = topologicalOrder(dead, path => references(path).filter(path => dead.has(path)))
    for (const path of order.reverse()) host.files.unlink(layout.record(digestOfPath(path)))
    await flush(host, [layout.records])
    const trees = garbage.objects.map(path => layout.object(path))
    failures.push(...(await removeEach(store, trees, turns)))
    if (failures.length > 0) throw undeleted(failures)
    return garbage
  } catch (error) {
    throw asStoreError(error, store.directory)
  } finally {
    lock?.release()
  }
}

// What a disk does wrong is not about one tree alone.
const IN_THE_WAY = new Set(['EACCES', 'EBUSY', 'ENAMETOOLONG', 'ENOTEMPTY', 'EPERM'])

/** Deletes what can be deleted, and gives why the rest cannot. Throws CANCELLED where `signal` aborts. */
async function removeEach(
  { host }: Store,
  paths: readonly string[],
  { breaks, signal }: { breaks: Breaks; signal: AbortSignal },
): Promise<string[]> {
  const failures: string[] = []
  for (const path of paths) {
    if (breaks.isDue()) await breaks.take()
    if (signal.aborted) throw new MixosError('CANCELLED', 'the garbage collection was cancelled')
    try {
      removeTree(host, path)
    } catch (error) {
      if (!IN_THE_WAY.has((error as NodeJS.ErrnoException).code ?? '')) throw error
      failures.push(`${path}: ${reasonOf(error)}`)
    }
  }
  return failures
}

function undeleted(failures: readonly string[]): MixosError {
  return new MixosError(
    'FILE_UNAVAILABLE',
    `all else was deleted, but these cannot be:\n${failures.map(line => `  ${line}`).join('\n')}`,
    { hint: 'look whose they are, with: ls -ld; what root has left, only root can delete' },
  )
}
