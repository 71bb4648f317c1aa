import { MixosError } from '../../../graph/error.ts'

/** A URL for messages. Its query may be a signature that lets others in, so it is left out. */
export function nameOf(url: URL): string {
  return url.origin + url.pathname
}

export function unavailable(url: URL, reason: string, cause?: unknown): MixosError {
  const hint = hintOf(url, cause)
  return new MixosError('CACHE_UNAVAILABLE', `${nameOf(url)}: ${reason}`, { hint, cause })
}

/** The next step for what Node says of a request that got no answer. */
export function hintOf(url: URL, cause: unknown): string | undefined {
  const code = codeOf(cause)
  return url.protocol === 'http:' && NOT_HTTP.has(code) ? TLS_ALONE : HINTS[code]
}

/** Of a server that hangs up, or says that the request is a bad one. */
export const TLS_ALONE = 'if it is one that speaks TLS alone, write https:// instead'
const NOT_HTTP = new Set(['UND_ERR_SOCKET', 'ECONNRESET'])

/** Which of the proxies a connection was to reach that did not come up. */
export function failedProxy(cause: unknown, url: URL, proxies: readonly URL[]): URL | undefined {
  if (cause instanceof AggregateError) return failedProxy(cause.errors[0], url, proxies)
  const { hostname, address, port } = Object(cause) as Record<string, unknown>
  return proxies.find(proxy => {
    if (hostname !== undefined) return hostname === proxy.hostname && hostname !== url.hostname
    // Where the server has the same port, the address must be the proxy's.
    const isOnly = portOf(proxy) !== portOf(url) || address === proxy.hostname
    return port === portOf(proxy) && isOnly
  })
}

function portOf({ port, protocol }: URL): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80)
}

const OWN_CERTIFICATE =
  'for a certificate of your own, set MIXOS_CACHE_CA to a PEM file with it or with its authority'

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'does its server run, and on that port?',
  EAI_AGAIN: 'is the network up, and the name right?',
  ENOTFOUND: 'is the name right?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it may be one that speaks HTTP alone: write http:// instead',
  // By OpenSSL: the chain ends at nobody that this machine knows.
  DEPTH_ZERO_SELF_SIGNED_CERT: OWN_CERTIFICATE,
  SELF_SIGNED_CERT_IN_CHAIN: OWN_CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: OWN_CERTIFICATE,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: OWN_CERTIFICATE,
}

/** Node wraps the failures of all addresses of a host into one error. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  // OpenSSL's own words are places in its source.
  if (codeOf(error) === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'its server does not speak TLS'
  return error instanceof Error ? error.message || codeOf(error) : String(error)
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? ''
}
