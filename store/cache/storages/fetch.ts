import { fetchClient } from '../../hosts/fetch-client.ts'
import type { WritableStorage } from '../storage.ts'
import { PATIENCE, type Patience } from './http-patience.ts'
import { webStorage } from './web-storage.ts'

/** Files of a web server, as httpStorage() has them, by what the runtime brings along. */
export function fetchStorage(
  url: URL,
  { token, patience = PATIENCE }: { readonly token?: string; readonly patience?: Patience } = {},
): WritableStorage {
  return webStorage(fetchClient(patience), { url, token })
}
