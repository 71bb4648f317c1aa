import type { WritableStorage } from '../storage.ts'
import { type Environment, httpClient } from './http-client.ts'
import { PATIENCE, type Patience } from './http-patience.ts'
import { webStorage } from './web-storage.ts'

export interface HttpOptions {
  /** Sent to the origin of the URL and to no other. */
  readonly token?: string | undefined
  /** A certificate authority in PEM, instead of those that everybody trusts. */
  readonly ca?: string | undefined
  readonly patience?: Patience
}

/** Files of a web server, over connections that are kept, by the proxies that `env` names. */
export function httpStorage(
  url: URL,
  env: Environment,
  { token, ca, patience = PATIENCE }: HttpOptions = {},
): WritableStorage {
  return webStorage(httpClient(env, { ca, patience }), { url, token })
}
