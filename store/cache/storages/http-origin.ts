import { MixosError } from '../../../graph/error.ts'
import { shown } from '../../../graph/shown.ts'
import type { BodyPart } from './http-body.ts'
import type { HttpClient } from './http-client.ts'
import type { HttpAnswer, HttpHead, HttpRequest } from './http-exchange.ts'
import { nameOf, TLS_ALONE, unavailable } from './http-failure.ts'

export interface Asking {
  readonly signal: AbortSignal
}

/** A web server, as one that may be asked and told. What is not a plain yes or no is thrown. */
export interface HttpOrigin {
  /** Follows redirects. The status is 200, 206 or one of those for absent. */
  read(
    request: Asking & {
      readonly method: 'GET' | 'HEAD'
      readonly url: URL
      readonly part: (head: HttpHead) => BodyPart
      readonly headers?: Readonly<Record<string, string>> | undefined
    },
  ): Promise<HttpAnswer>
  /** Resolves when it is done. */
  change(
    request: Asking & {
      readonly method: 'PUT' | 'DELETE'
      readonly url: URL
      readonly body?: Uint8Array
    },
  ): Promise<void>
}

const MAX_REDIRECTS = 3
const REDIRECTS = new Set([301, 302, 303, 307, 308])
// Read to its end all the same, so that the connection is kept.
const ERROR_PAGE: BodyPart = { offset: 0, length: 64 * 1024, more: 'unwanted' }
const HEADERS = { 'accept-encoding': 'identity', 'user-agent': 'mixos' }

export function httpOrigin(
  client: HttpClient,
  { url: home, token }: { url: URL; token?: string | undefined },
): HttpOrigin {
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new MixosError('SETTINGS_INVALID', 'a token is printable characters without spaces')
  }
  const credentials: Record<string, string> =
    token === undefined ? {} : { authorization: `Bearer ${token}` }

  return {
    read: async request => {
      let url = request.url
      // What another server says is no reason to log in.
      let isHome = true
      for (let redirects = 0; ; redirects++) {
        isHome &&= url.origin === home.origin
        const answer = await send({ ...request, url }, isHome ? credentials : {})
        const { location } = answer.headers
        if (!REDIRECTS.has(answer.status) || typeof location !== 'string') {
          checkRead(answer, url)
          return answer
        }
        if (redirects === MAX_REDIRECTS) {
          throw unavailable(request.url, `more than ${MAX_REDIRECTS} redirects`)
        }
        url = redirected(url, location)
      }
    },
    change: async request => {
      const { url } = request
      const answer = await send({ ...request, part: () => ERROR_PAGE }, credentials)
      const { status } = answer
      if (DONE.has(status) || (request.method === 'DELETE' && isAbsent(status))) return
      if (REFUSED.has(status)) throw readOnly(url, status)
      throw status === CONFLICT ? incomplete(url, answer) : refusal(url, answer, token)
    },
  }

  function send(
    {
      headers,
      part,
      ...request
    }: Omit<HttpRequest, 'headers'> & { headers?: HttpRequest['headers'] | undefined },
    credentials: Record<string, string>,
  ): Promise<HttpAnswer> {
    return client.send({
      ...request,
      headers: { ...HEADERS, ...credentials, ...headers },
      part: head => {
        if (head.status !== 200 && head.status !== 206) return ERROR_PAGE
        checkBytes(head, request.url)
        return part(head)
      },
    })
  }

  function checkRead(answer: HttpAnswer, url: URL): void {
    const { status } = answer
    if (status !== 200 && status !== 206 && !isAbsent(status)) throw refusal(url, answer, token)
  }
}

export function isAbsent(status: number): boolean {
  return status === 404 || status === 410
}

const DONE = new Set([200, 201, 204])
const REFUSED = new Set([404, 405, 410, 501])
const CONFLICT = 409

function checkBytes({ headers }: HttpHead, url: URL): void {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') {
    throw new MixosError(
      'CACHE_INVALID',
      `${nameOf(url)} is sent with the encoding ${shown(encoding)}`,
    )
  }
  // A portal that wants a login says yes to everything.
  if (!/^text\/html\b/i.test(String(headers['content-type']))) return
  throw new MixosError('CACHE_INVALID', `${nameOf(url)} is a web page`)
}

/** Where a redirect leads, without credentials. */
function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from.href)
  if (!to) throw invalidRedirect(from, JSON.stringify(location.slice(0, 200)))
  if (to.protocol !== 'https:' && (to.protocol !== 'http:' || from.protocol === 'https:')) {
    throw invalidRedirect(from, `${to.protocol}//${to.host}`)
  }
  return to
}

function invalidRedirect(from: URL, to: string): MixosError {
  return new MixosError('CACHE_INVALID', `${nameOf(from)} redirects to ${to}`)
}

function readOnly(url: URL, status: number): MixosError {
  return new MixosError('CACHE_READ_ONLY', `${nameOf(url)} takes no files: HTTP status ${status}`, {
    hint: 'a web server that takes them is started with: mixos cache serve',
  })
}

/** The server has not what the file refers to. */
function incomplete(url: URL, answer: HttpAnswer): MixosError {
  return new MixosError('CACHE_INCOMPLETE', `${nameOf(url)}: ${statusOf(answer)}`)
}

function refusal(url: URL, answer: HttpAnswer, token: string | undefined): MixosError {
  const { status } = answer
  if (status === 416) {
    return new MixosError('CACHE_INVALID', `${nameOf(url)} is smaller than what was asked of it`)
  }
  if (status === 400 && url.protocol === 'http:') {
    const about = `${nameOf(url)}: ${statusOf(answer)}`
    return new MixosError('CACHE_UNAVAILABLE', about, { hint: TLS_ALONE })
  }
  if (status !== 401 && status !== 403) return unavailable(url, statusOf(answer))
  const why = token === undefined ? 'without a token' : 'with this token'
  return new MixosError('CACHE_DENIED', `${nameOf(url)} is denied ${why}: HTTP status ${status}`, {
    hint: TOKEN_HINT,
  })
}

/** With what the server says about it, if it says it to people. */
function statusOf({ status, headers, body }: HttpAnswer): string {
  const [reason = ''] = Buffer.from(body).toString().split('\n', 1)
  const isText = /^text\/plain\b/i.test(String(headers['content-type'])) && reason !== ''
  return `HTTP status ${status}${isText ? `: ${shown(reason)}` : ''}`
}

const TOKEN_HINT = 'give the token of the cache in the environment: MIXOS_CACHE_TOKEN'
