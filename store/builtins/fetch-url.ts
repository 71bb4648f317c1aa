import { labelOf } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import { fetchPinned } from '../fetch/fetch-pinned.ts'
import { storeLock } from '../store-lock.ts'
import type { Builtin } from './builtin.ts'

/** Any of the URLs, only these bytes. A partial file stays under the content's hash, to be resumed. */
export const fetchUrl: Builtin = async ({
  store,
  derivation,
  target,
  mirrors,
  signal,
  onProgress,
  warn,
  log,
}) => {
  const { fetch } = derivation
  const label = labelOf(derivation)
  if (!fetch) throw new MixosError('DERIVATION_INVALID', 'it fetches, but does not say what')
  const content = fetch.hash.replace(':', '-')
  const path = `${store.layout.scratch}/${content}.part`
  const lock = await storeLock(store, content, { signal })
  try {
    const options = { path, label, mirrors, signal, onProgress, warn }
    const from = await fetchPinned(store.host, fetch, options)
    log(`${fetch.size} bytes, ${fetch.hash}, ${from ?? 'all of them here since an earlier run'}`)
    store.host.files.rename(path, target)
  } finally {
    lock.release()
  }
}
