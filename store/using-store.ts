import type { Report } from './event.ts'
import type { Store } from './store.ts'
import { asStoreError } from './store-error.ts'
import { storeLock } from './store-lock.ts'

/**
 * Does something that needs what is in the store, or in its scratch directory, to stay there: meanwhile nothing is
 * collected. Throws CANCELLED where `signal` aborts while a collection is waited for.
 */
export async function usingStore<T>(
  store: Store,
  { signal, report }: { signal: AbortSignal; report: Report },
  action: () => Promise<T>,
): Promise<T> {
  const onWait = (): void =>
    report({ type: 'warning', message: 'waiting for a garbage collection to end' })
  const options = { how: 'shared', signal, onWait } as const
  const inUse = await storeLock(store, 'store', options).catch(error => {
    throw asStoreError(error, store.directory)
  })
  try {
    return await action()
  } finally {
    inUse.release()
  }
}
