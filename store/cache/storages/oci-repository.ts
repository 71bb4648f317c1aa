import { MixosError } from '../../../graph/error.ts'
import type { Host } from '../../host.ts'
import { dockerLogin } from './docker-credentials.ts'
import type { Login } from './docker-helper.ts'
import type { OciAddress } from './oci-address.ts'
import { jsonOf, record } from './oci-manifest.ts'
import { type Right, registryLogin } from './registry-login.ts'
import { type WebAnswer, type WebOptions, type WebRequest, webClient } from './web-client.ts'

export interface RepositoryOptions extends WebOptions {
  readonly host: Pick<Host, 'files' | 'now' | 'processes'>
}

export interface RepositoryRequest extends WebRequest {
  readonly right: Right
}

/** Requests to one repository, logged in where the registry asks for it. */
export interface Repository {
  /** For what is below the repository, or for an address that it gave. */
  send(to: string | URL, request: RepositoryRequest): Promise<WebAnswer>
  /** An address that the registry names. Throws CACHE_UNAVAILABLE for one that must not be used. */
  locate(location: string | undefined): URL
  close(): Promise<void>
}

const MAX_REDIRECTS = 5

export function openRepository(address: OciAddress, options: RepositoryOptions): Repository {
  const { name, base, repository } = address
  const client = webClient(options)
  let known: Promise<Login | undefined> | undefined
  const login = registryLogin(address, {
    client,
    now: options.host.now,
    login: () => {
      known ??= dockerLogin(options.host, address, options.env)
      return known
    },
  })
  return { send, locate, close: () => client.close() }

  async function send(to: string | URL, request: RepositoryRequest): Promise<WebAnswer> {
    let url = typeof to === 'string' ? new URL(`${repository}/${to}`, base) : to
    for (let redirects = 0; ; redirects++) {
      const answer = await authorized(url, request)
      const isRedirect = REDIRECTS.has(answer.status) && answer.headers.location !== undefined
      const isRead = request.method === 'GET' || request.method === 'HEAD'
      if (!isRead || !isRedirect) return answer
      if (redirects === MAX_REDIRECTS) throw unavailable(`more than ${MAX_REDIRECTS} redirects`)
      // Registries keep large blobs elsewhere.
      url = locate(answer.headers.location, url)
    }
  }

  async function authorized(url: URL, request: RepositoryRequest): Promise<WebAnswer> {
    // What lets into the registry is not for others.
    if (url.origin !== base.origin) return client.send(url, request)
    const { right, signal } = request
    for (let attempt = 0; ; attempt++) {
      const sent = login.header(right)
      const headers = { ...request.headers, ...(sent && { authorization: sent }) }
      const answer = await client.send(url, { ...request, headers })
      if (answer.status !== 401 || attempt > 0) return answer
      await login.renew(answer, { right, sent, signal })
    }
  }

  function locate(location = '', from: URL = base): URL {
    const url = URL.parse(location, from.href)
    const isSafe =
      url?.protocol === 'https:' || (url?.protocol === 'http:' && base.protocol === 'http:')
    if (url && isSafe) return url
    throw unavailable(`it sends from ${from.origin} to ${JSON.stringify(location)}`)
  }

  function unavailable(why: string): MixosError {
    return new MixosError('CACHE_UNAVAILABLE', `${name}: ${why}`)
  }
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** What a registry says of its refusal, or ''. Undefined for an answer that is not a registry's. */
export function codeOf({ data }: WebAnswer): string | undefined {
  const { errors } = record(jsonOf(data))
  if (!Array.isArray(errors)) return undefined
  const { code } = record(errors[0])
  // It goes into messages, so only what codes are made of.
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : ''
}

/** A refusal as what it means to the user. */
export function refusal(answer: WebAnswer, { name, host }: OciAddress, what: string): MixosError {
  const { status } = answer
  const code = codeOf(answer)
  const about = `${name}: ${what}: ${code ? `${code}, ` : ''}status ${status}`
  if (status === 401 || status === 403) {
    return new MixosError('CACHE_DENIED', about, { hint: `docker login ${host}` })
  }
  if (status === 405) {
    return new MixosError('CACHE_READ_ONLY', about, {
      hint: 'have the registry take uploads, or push to another cache',
    })
  }
  return new MixosError('CACHE_UNAVAILABLE', about)
}
