import type { ReadOptions } from '../storage.ts'
import { type ClientOptions, type Environment, type HttpClient, httpClient } from './http-client.ts'
import type { HttpHead, HttpRequest } from './http-exchange.ts'

export interface WebRequest {
  readonly method: HttpRequest['method']
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly signal: AbortSignal
  /** The most bytes of the body of an answer that is no refusal. */
  readonly limit: number
  readonly range?: ReadOptions['range']
}

export interface WebAnswer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** All of it; of a refusal, its beginning. */
  readonly data: Buffer
}

export interface WebOptions extends Partial<ClientOptions> {
  readonly env: Environment
}

/** Requests of one storage, which may send to other servers: for a token, or for what is kept elsewhere. */
export interface WebClient {
  /** Every status is an answer; redirects are not followed. For what it throws, see exchange(). */
  send(url: URL, request: WebRequest): Promise<WebAnswer>
  close(): Promise<void>
}

const PATIENCE: ClientOptions['patience'] = { answer: 2_000, change: 60_000 }
/** What is read of a refusal, to say why. */
const REASON_LIMIT = 16 * 1024

export function webClient({ env, patience = PATIENCE, ca }: WebOptions): WebClient {
  const clients = new Map<string, HttpClient>()
  return {
    send: async (url, request) => {
      const client = clients.get(url.origin) ?? httpClient(env, { patience, ca })
      clients.set(url.origin, client)
      const { method, body, signal, range } = request
      const answer = await client.send({
        method,
        url,
        headers: {
          'accept-encoding': 'identity',
          'user-agent': 'mixos',
          ...(range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
          ...request.headers,
        },
        ...(body && { body }),
        signal,
        part: head => partOf(head, request),
      })
      return { status: answer.status, headers: singleHeaders(answer), data: asBuffer(answer.body) }
    },
    close: async () => {
      await Promise.all([...clients.values()].map(client => client.close()))
    },
  }
}

function partOf(
  { status }: HttpHead,
  { limit, range }: WebRequest,
): ReturnType<HttpRequest['part']> {
  if (status >= 300) return { offset: 0, length: REASON_LIMIT, more: 'unwanted' }
  // A server may answer a range with everything.
  if (range && status === 200) return { ...range, more: 'unwanted' }
  return { offset: 0, length: range ? Math.min(limit, range.length) : limit, more: 'wrong' }
}

function singleHeaders({ headers }: HttpHead): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  )
}

const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength)
