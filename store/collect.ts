import { basename, join } from 'node:path'
import { closureOf, topologicalOrder } from '../graph/closure.ts'
import { MixosError } from '../graph/error.ts'
import { digestOfPath, parseStorePath, type StorePath } from '../graph/store-path.ts'
import type { Lock } from './path-lock.ts'
import type { RecordHead } from './records.ts'
import { removeTree } from './remove.ts'
import { listRoots, staleRoots } from './roots.ts'
import type { Store } from './store.ts'
import { asStoreError } from './store-error.ts'
import { storeLock } from './store-lock.ts'
import { parseTrace } from './traces.ts'
import { flush } from './write.ts'

export interface Collected {
  /** Objects that no root needs, sorted. */
  readonly objects: readonly StorePath[]
  /** Of those objects' files. */
  readonly bytes: number
  /** Everything else: what a crash left, traces of what is gone, logs without a trace. Paths on this machine. */
  readonly leftovers: readonly string[]
}

/** What a collection would delete now, if the forgotten links were no roots. */
export function garbageOf(store: Store, forgotten: ReadonlySet<string> = new Set()): Collected {
  const { host, layout } = store
  const valid = store.paths()
  const isValid = new Set(valid)
  const live = closureOf(
    listRoots(store)
      .filter(root => !forgotten.has(root.link))
      .map(root => root.path)
      .filter(path => isValid.has(path)),
    path => store.head(path)?.references ?? [],
  )
  const objects = valid.filter(path => !live.has(path))
  const list = (directory: string): string[] =>
    host.files.list(directory).map(name => join(directory, name))
  const records = new Set(valid.map(path => layout.record(digestOfPath(path))))
  const isLive = (path: string) => leadsToOnly(live, host.files.read(path), path)
  const traces = Map.groupBy(list(layout.traces), isLive)
  const kept = new Set(traces.get(true)?.map(path => basename(path)))
  const leftovers = [
    ...list(layout.scratch),
    ...list(layout.objects).filter(
      path => !isValid.has(parseStorePath(path.slice(layout.objects.length + 1)) as StorePath),
    ),
    ...list(layout.records).filter(path => !records.has(path)),
    ...(traces.get(false) ?? []),
    ...list(layout.logs).filter(path => !kept.has(basename(path, '.log'))),
    ...staleRoots(store),
  ]
  const bytes = objects.reduce((sum, path) => sum + (headOf(store, path)?.size ?? 0), 0)
  return { objects, bytes, leftovers }
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
 * Deletes what no root needs, and what crashes left behind. Waits until nothing realizes in the store and keeps
 * others from starting. Order: traces, then records, referrers first, then trees. So a crash leaves no record of
 * a half-deleted object, and none that refers to what is gone. Needs no free space.
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
    for (const path of garbage.leftovers) removeTree(host, path)
    await flush(host, [layout.traces])
    const references = (path: StorePath) => headOf(store, path)?.references ?? []
    const dead = new Set(garbage.objects)
    const order = topologicalOrder(dead, path => references(path).filter(path => dead.has(path)))
    for (const path of order.reverse()) host.files.unlink(layout.record(digestOfPath(path)))
    await flush(host, [layout.records])
    for (const path of garbage.objects) removeTree(host, layout.object(path))
    return garbage
  } catch (error) {
    throw asStoreError(error, store.directory)
  } finally {
    lock?.release()
  }
}
