import type { Agent, IncomingMessage } from 'node:http'
import type { Answer, Network, RequestOptions } from '../host.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The real network, by the proxies that this process's environment names. */
export const nodeNetwork: Network = networkOf()

/**
 * HTTP with connections kept open between requests, since a hundred small files come from one mirror.
 * HTTP_PROXY, HTTPS_PROXY and NO_PROXY are taken from `env`, in either case; without it, Node takes them
 * from the process.
 */
export function networkOf(env?: Environment): Network {
  // Loaded when first used: most runs need no network, and these modules cost start-up time.
  const clients = new Map<string, Promise<Client>>()
  return {
    async request(url, options) {
      const { protocol } = url
      const client = clients.get(protocol) ?? clientFor(protocol, env)
      clients.set(protocol, client)
      return await send(await client, url, options)
    },
  }
}

interface Client {
  readonly request: typeof import('node:http').request
  /** Undefined stands for Node's own agent, which keeps connections too. */
  readonly agent: Agent | undefined
}

async function clientFor(protocol: string, env: Environment | undefined): Promise<Client> {
  const isSecure = protocol === 'https:'
  const http = await import('node:http')
  const { request, Agent } = isSecure ? await import('node:https') : http
  if (env) return { request, agent: new Agent({ keepAlive: true, proxyEnv: { ...env } }) }
  http.setGlobalProxyFromEnv()
  return { request, agent: undefined }
}

function send(client: Client, url: URL, options: RequestOptions): Promise<Answer> {
  const { headers, signal, connectWithin } = options
  return new Promise((resolve, reject) => {
    const request = client.request(url, { agent: client.agent, headers, signal })
    const timer = setTimeout(() => {
      const problem = new Error(`no connection within ${connectWithin} ms`)
      request.destroy(Object.assign(problem, { code: 'ETIMEDOUT' }))
    }, connectWithin)
    request.on('socket', socket => {
      if (!socket.connecting) clearTimeout(timer)
      else socket.once('connect', () => clearTimeout(timer))
    })
    request.on('response', response => resolve(answerOf(response)))
    request.on('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    request.end()
  })
}

function answerOf(response: IncomingMessage): Answer {
  const headers: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(response.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  // An abort between the head and the first read would otherwise be an unhandled 'error' event.
  response.on('error', () => undefined)
  return {
    status: response.statusCode ?? 0,
    headers,
    body: response,
    close: () => response.destroy(),
  }
}
