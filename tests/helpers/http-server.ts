import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ExecutionContext } from 'ava'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface TestServer {
  /** Without a slash at its end. */
  readonly base: string
  /** What was asked for, in order: method, path and range. */
  readonly requests: string[]
}

/** A server on the loopback interface that goes with the test. Unknown paths answer 404. */
export async function serve(
  t: ExecutionContext,
  handlers: Readonly<Record<string, Handler>>,
): Promise<TestServer> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    const { url = '', headers } = request
    requests.push([url, ...(headers.range ? [headers.range] : [])].join(' '))
    const handler = handlers[url]
    if (handler) handler(request, response)
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('not here')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

/** A handler that knows ranges. */
export const file =
  (content: Buffer, headers: Record<string, string> = {}): Handler =>
  (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (from > 0 && from >= content.length) return void response.writeHead(416).end()
    const rest = content.subarray(from)
    const range = { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': String(rest.length),
      ...(from > 0 && range),
      ...headers,
    })
    response.end(rest)
  }

/** Sends the first bytes of the content, with the full length announced, and then `what`. */
export const begins =
  (content: Buffer, length: number, what: 'hangs up' | 'stalls'): Handler =>
  (_, response) => {
    response.writeHead(200, { 'content-length': String(content.length) })
    response.write(content.subarray(0, length), () => {
      if (what === 'hangs up') response.destroy()
    })
  }

/** Sends the content byte by byte, one each few milliseconds, with the full length announced. */
export const trickles =
  (content: Buffer): Handler =>
  (_, response) => {
    response.writeHead(200, { 'content-length': String(content.length) })
    let sent = 0
    const timer = setInterval(() => response.write(content.subarray(sent, ++sent)), 5)
    response.once('close', () => clearInterval(timer))
  }

export const redirect =
  (location: string): Handler =>
  (_, response) =>
    void response.writeHead(302, { location }).end()

/** Bytes that look random and are the same every time. */
export function noise(size: number, seed = 'noise'): Buffer {
  const blocks: Buffer[] = []
  for (let i = 0; i * 32 < size; i++) {
    blocks.push(createHash('sha256').update(`${seed}${i}`).digest())
  }
  return Buffer.concat(blocks).subarray(0, size)
}

export function sha256(content: Buffer): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}
