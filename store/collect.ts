import { join } from 'node:path'
import { closureOf } from '../graph/closure.ts'
import { digestOfPath, parseStorePath, type StorePath } from '../graph/store-path.ts'
import { pathLock } from './path-lock.ts'
import { removeTree } from './remove.ts'
import { listRoots, staleRoots } from './roots.ts'
import type { Store } from './store.ts'
import { parseTrace } from './traces.ts'
import { syncDirectory } from './write.ts'

export interface Collected {
  /** Objects that no root needs, sorted. */
  readonly objects: readonly StorePath[]
  /** Of those objects' files. */
  readonly bytes: number
  /** Everything else: what a crash left, logs and traces of what is gone. Paths on this machine. */
  readonly leftovers: readonly string[]
}

/** What a collection would delete now. */
export function garbageOf(store: Store): Collected {
  const { host, layout } = store
  const valid = store.paths()
  const isValid = new Set(valid)
  const live = closureOf(
    listRoots(store)
      .map(root => root.path)
      .filter(path => isValid.has(path)),
    path => store.head(path)?.references ?? [],
  )
  const objects = valid.filter(path => !live.has(path))
  const dead = new Set(objects)
  const list = (directory: string): string[] =>
    host.files.list(directory).map(name => join(directory, name))
  const records = new Set(valid.map(path => layout.record(digestOfPath(path))))
  const leftovers = [
    ...list(layout.scratch),
    ...list(layout.locks).filter(path => path !== layout.lock('store')),
    ...list(layout.objects).filter(
      path => !isValid.has(parseStorePath(path.slice(layout.objects.length + 1)) as StorePath),
    ),
    ...list(layout.records).filter(path => !records.has(path)),
    ...list(layout.traces).filter(path => {
      const text = host.files.read(path)
      return (
        !text ||
        Object.values(parseTrace(text.toString(), path).outputs).some(
          output => dead.has(output) || !isValid.has(output),
        )
      )
    }),
    ...staleRoots(store),
  ]
  const bytes = objects.reduce((sum, path) => sum + (store.record(path)?.size ?? 0), 0)
  return { objects, bytes, leftovers }
}

/**
 * Deletes what no root needs, and what crashes left behind. Waits until nothing realizes in the store and keeps
 * others from starting. Order: traces, then records, then trees, so that a crash leaves no record of a
 * half-deleted object. Needs no free space.
 */
export async function collect(
  store: Store,
  options: { signal: AbortSignal; onWait?: () => void },
): Promise<Collected> {
  const { host, layout } = store
  const lock = await pathLock(host, layout.lock('store'), options)
  try {
    const garbage = garbageOf(store)
    for (const path of garbage.leftovers) removeTree(host, path)
    await syncDirectory(host, layout.traces)
    for (const path of garbage.objects) host.files.unlink(layout.record(digestOfPath(path)))
    await syncDirectory(host, layout.records)
    for (const path of garbage.objects) removeTree(host, layout.object(path))
    return garbage
  } finally {
    lock.release()
  }
}
