import { MixosError } from '../../../graph/error.ts'
import type { Login } from './docker-helper.ts'
import type { OciAddress } from './oci-address.ts'
import { jsonOf, record } from './oci-manifest.ts'
import type { WebAnswer, WebClient, WebRequest } from './web-client.ts'

/** What a registry is told with a request, for what the request does. */
export type Right = 'pull' | 'push' | 'delete'

export interface RegistryLogin {
  /** What to send along: nothing before the registry asked for something. */
  header(right: Right): string | undefined
  /**
   * Does what a refusal of status 401 asks for, so that header() has another answer. Throws CACHE_DENIED
   * where that takes credentials and there are none, or wrong ones.
   */
  renew(refusal: WebAnswer, request: Refused): Promise<void>
}

export interface Refused {
  readonly right: Right
  /** What header() had when the request was made. */
  readonly sent: string | undefined
  readonly signal: AbortSignal
}

const TOKEN_LIMIT = 1024 * 1024
/** In seconds: what the specification says for a token that does not tell how long it lasts. */
const LASTING = 60

/** Basic credentials, or a token for each right from the service that the registry names. */
export function registryLogin(
  { name, host, base }: OciAddress,
  {
    client,
    login,
    now,
  }: { client: WebClient; login: () => Promise<Login | undefined>; now: () => number },
): RegistryLogin {
  const tokens = new Map<Right, { header: string; until: number }>()
  const turns = new Map<Right, Promise<void>>()
  let basic: string | undefined

  return {
    header,
    renew: (refusal, request) => {
      // Of many requests that are refused at once, the first one does it for all.
      const before = turns.get(request.right) ?? Promise.resolve()
      const turn = before.catch(() => undefined).then(() => renew(refusal, request))
      turns.set(request.right, turn)
      return turn
    },
  }

  function header(right: Right): string | undefined {
    const token = tokens.get(right)
    return token && token.until > now() ? token.header : basic
  }

  async function renew(refusal: WebAnswer, { right, sent, signal }: Refused): Promise<void> {
    if (header(right) !== sent) return
    const { scheme, values } = parseChallenge(refusal.headers['www-authenticate'] ?? '')
    const known = await login()
    if (scheme === 'bearer') tokens.set(right, await fetchToken(values, known, signal))
    else if (!known) throw denied('it asks for credentials')
    else if ('identityToken' in known) throw denied('it takes a password, and no identity token')
    else if (scheme === 'basic' && !basic) basic = basicHeader(known)
    else throw denied('it refuses the credentials')
  }

  async function fetchToken(
    { realm, service, scope }: Record<string, string | undefined>,
    known: Login | undefined,
    signal: AbortSignal,
  ): Promise<{ header: string; until: number }> {
    const url = URL.parse(realm ?? '')
    // A registry with TLS may not have the password sent without.
    const isSafe =
      url?.protocol === 'https:' || (url?.protocol === 'http:' && base.protocol === 'http:')
    if (!url || !isSafe) throw unavailable(`it sends for a token to ${JSON.stringify(realm)}`)
    const { to, ...request } = tokenRequest(url, { service, scope }, known)
    const answer = await client.send(to, { ...request, signal, limit: TOKEN_LIMIT })
    if (answer.status === 401 || answer.status === 403) throw denied(`no token from ${url.host}`)
    if (answer.status !== 200) {
      throw unavailable(`no token from ${url.host}, status ${answer.status}`)
    }
    const { token, access_token, expires_in } = record(jsonOf(answer.data))
    const text = token ?? access_token
    if (typeof text !== 'string' || !/^[\x21-\x7e]+$/.test(text)) {
      throw unavailable(`what ${url.host} answers has no token`)
    }
    const seconds = typeof expires_in === 'number' ? expires_in : LASTING
    // Given up early, since it has to last for a request.
    return { header: `Bearer ${text}`, until: now() + seconds * 900 }
  }

  function unavailable(why: string): MixosError {
    return new MixosError('CACHE_UNAVAILABLE', `${name}: ${why}`)
  }

  function denied(why: string): MixosError {
    return new MixosError('CACHE_DENIED', `${name}: ${why}`, { hint: `docker login ${host}` })
  }
}

type TokenRequest = Pick<WebRequest, 'method' | 'headers' | 'body'> & { readonly to: URL }

/** By distribution's token specification, or for an identity token by its form of OAuth 2.0. */
function tokenRequest(
  realm: URL,
  { service, scope }: Record<string, string | undefined>,
  known: Login | undefined,
): TokenRequest {
  if (known && 'identityToken' in known) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: known.identityToken,
      client_id: 'mixos',
      ...(service && { service }),
      ...(scope && { scope }),
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return { to: realm, method: 'POST', headers, body: Buffer.from(form.toString()) }
  }
  const to = new URL(realm)
  if (service) to.searchParams.set('service', service)
  for (const part of scope?.split(' ') ?? []) to.searchParams.append('scope', part)
  return { to, method: 'GET', ...(known && { headers: { authorization: basicHeader(known) } }) }
}

/** `Bearer realm="…",service="…"` */
function parseChallenge(header: string): {
  scheme: string
  values: Record<string, string | undefined>
} {
  const [, scheme = '', rest = ''] = /^\s*(\w+)\s*(.*)$/.exec(header) ?? []
  const values = [...rest.matchAll(/(\w+)=(?:"([^"]*)"|([^\s,]+))/g)].map(
    ([, key = '', quoted, bare]) => [key.toLowerCase(), quoted ?? bare],
  )
  return { scheme: scheme.toLowerCase(), values: Object.fromEntries(values) }
}

function basicHeader({ user, password }: Extract<Login, { user: string }>): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
