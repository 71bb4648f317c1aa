import type { Dispatcher } from 'undici'
import { MixosError } from '../../../graph/error.ts'
import {
  exchange,
  type HttpAnswer,
  type HttpRequest,
  type Line,
  type Patience,
  waitFor,
} from './http-exchange.ts'
import { failedProxy } from './http-failure.ts'
import { linePaceOf } from './http-pace.ts'
import { untilReady } from './http-retry.ts'
import { turnstile } from './http-turns.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface ClientOptions {
  readonly patience: Patience
  /** The certificate authorities that are believed, in PEM; absent, those that everybody trusts. */
  readonly ca?: string | undefined
}

export interface HttpClient {
  /** Does not follow redirects. For what it throws, see exchange(). */
  send(request: HttpRequest): Promise<HttpAnswer>
  /** Ends what still runs. */
  close(): Promise<void>
}

// With HTTP/1.1; over HTTP/2, one connection carries all requests in flight.
const CONNECTIONS = 32
const REQUESTS = 100
// A line may falter for longer than one answer may.
const WINDOW = 5

/**
 * Requests to one server over few connections that are kept, by the proxies that `env` names. Many thousand
 * at once are fine: they wait for their turn, and a server that is found dead is dead for those who wait. One that has
 * too much to do is asked again a few times, within the patience.
 */
export function httpClient(env: Environment, options: ClientOptions): HttpClient {
  const { patience } = options
  const line: Line = { arrivals: 0, bytes: 0, pace: linePaceOf(WINDOW * patience.answer) }
  const turns = turnstile(REQUESTS)
  let agent: Promise<Dispatcher> | undefined
  return {
    send: async request => {
      request.signal.throwIfAborted()
      // Loaded when first used: most runs need no network.
      agent ??= connect(env, options)
      const dispatcher = await agent
      const ask = (): Promise<HttpAnswer> =>
        turns.take(request.signal, async () => {
          const before = line.arrivals
          try {
            return await exchange(dispatcher, request, { line, patience })
          } catch (thrown) {
            const error = withProxy(thrown, request.url, env)
            const isDown = error instanceof MixosError && error.code === 'CACHE_UNAVAILABLE'
            if (isDown && line.arrivals === before) turns.refuse(error)
            throw error
          }
        })
      return untilReady(ask, { signal: request.signal, wait: waitFor(request, patience) })
    },
    close: async () => {
      // What kept it from being made was thrown to those who asked.
      await (await agent?.catch(() => undefined))?.destroy()
    },
  }
}

async function connect(env: Environment, { ca, patience }: ClientOptions): Promise<Dispatcher> {
  const { EnvHttpProxyAgent } = await import('undici')
  const tls = { preferH2: true, ...(ca !== undefined && { ca }) }
  return new EnvHttpProxyAgent({
    // Empty, not absent: where they are absent, they are taken from the process.
    httpProxy: proxyOf(env, 'http_proxy'),
    httpsProxy: proxyOf(env, 'https_proxy'),
    noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
    connect: tls,
    requestTls: tls,
    connections: CONNECTIONS,
    connectTimeout: patience.answer,
    allowH2: true,
    h2Options: {
      maxConcurrentStreams: REQUESTS,
      // What may be on its way: with less, a distant server is slow however wide the line.
      connectionWindowSize: 16 * 2 ** 20,
      settings: { initialWindowSize: 4 * 2 ** 20 },
    },
    // Told by stallWatch().
    headersTimeout: 0,
    bodyTimeout: 0,
  })
}

/** Of a proxy that is down, the server of the cache knows nothing. */
function withProxy(error: unknown, url: URL, env: Environment): unknown {
  if (!(error instanceof MixosError)) return error
  const proxies = PROXIES.map(name => URL.parse(proxyOf(env, name))).filter(proxy => proxy !== null)
  const proxy = failedProxy(error.cause, url, proxies)
  if (!proxy) return error
  const hint = `does the proxy ${proxy.origin} run? your environment names it; to go past it, name the server in no_proxy`
  return new MixosError(error.code, error.message, { hint, cause: error.cause })
}

const PROXIES = ['http_proxy', 'https_proxy']

function proxyOf(env: Environment, name: string): string {
  const value = env[name] || env[name.toUpperCase()] || ''
  if (value === '') return ''
  const url = value.includes('://') ? value : `http://${value}`
  if (URL.canParse(url)) return url
  // The value may hold a password.
  throw new MixosError('SETTINGS_INVALID', `the environment's ${name} is no URL`, {
    hint: `for instance: ${name}=http://proxy.example:3128`,
  })
}
