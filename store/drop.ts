import { dirname } from 'node:path'
import { digestOfPath } from '../graph/store-path.ts'
import { removeTree } from './disk/remove.ts'
import { flush } from './disk/write.ts'
import type { Store } from './store.ts'
import { asStoreError } from './store-error.ts'
import { storeLock } from './store-lock.ts'
import { type Verified, type VerifyOptions, verify } from './verify.ts'

/**
 * Verifies, and deletes what is damaged: from then on it is not there, and whoever needs it makes it again. Waits until
 * nothing realizes in the store and keeps others from starting. An object goes as in a collection: its record, then its
 * tree. What is whole and only refers to what is gone stays, and counts again once that is back. Throws as `verify`.
 */
export async function dropDamaged(
  store: Store,
  options: VerifyOptions & { readonly signal: AbortSignal; readonly onWait?: () => void },
): Promise<Verified> {
  const { host, layout } = store
  const lock = await storeLock(store, 'store', options)
  try {
    const verified = await verify(store, options)
    const damaged = verified.problems.filter(({ missing }) => missing === undefined)
    const objects = new Set(damaged.flatMap(({ path }) => path ?? []))
    const traces = damaged.filter(({ path }) => path === undefined).map(({ at }) => at)
    for (const path of objects) host.files.unlink(layout.record(digestOfPath(path)))
    for (const trace of traces) host.files.unlink(trace)
    await flush(host, [layout.records, ...new Set(traces.map(trace => dirname(trace)))])
    for (const path of objects) removeTree(host, layout.object(path))
    return verified
  } catch (error) {
    throw asStoreError(error, store.directory)
  } finally {
    lock.release()
  }
}
