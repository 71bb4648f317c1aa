import type { DerivationHash, ResolvedHash, StorePath } from '../../graph/store-path.ts'
import { generateKey } from '../../store/cache/keys.ts'
import { siblingsIn } from '../../store/cache/local-files.ts'
import { pullerOf } from '../../store/cache/pull.ts'
import { push } from '../../store/cache/push.ts'
import { restoreThreads } from '../../store/cache/restore-threads.ts'
import type { CacheStorage, WritableStorage } from '../../store/cache/storage.ts'
import { workersOn } from '../../store/cache/workers.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { slotsOf } from '../../store/slots.ts'
import type { Store } from '../../store/store.ts'

export const benchKey = generateKey(nodeHost, 'bench')

const { signal } = new AbortController()

/** Pushes objects under hashes made up for them, and returns the number of bytes written. */
export async function pushed(
  store: Store,
  paths: readonly StorePath[],
  storage: WritableStorage,
): Promise<number> {
  const traces = paths.map(path => {
    const hash = Buffer.from(path.slice(0, 32)).toString('hex')
    const hashes = { derivation: hash as DerivationHash, resolved: hash as ResolvedHash }
    return { label: path.slice(33), ...hashes, outputs: { out: path } }
  })
  const { bytes } = await push(store, storage, traces, {
    key: benchKey,
    signal,
    report: () => undefined,
  })
  return bytes
}

/** Returns the number of bytes that came. */
export async function pulled(
  store: Store,
  paths: readonly StorePath[],
  storage: CacheStorage,
): Promise<number> {
  let bytes = 0
  await using workers = workersOn(nodeHost, { threads: restoreThreads(2) })
  const puller = pullerOf(store, {
    workers,
    siblings: siblingsIn(store),
    downloads: slotsOf(12),
    signal,
  })
  const onBytes = (count: number): void => {
    bytes += count
  }
  await Promise.all(paths.map(path => puller.pull(storage, path, { onBytes })))
  return bytes
}
