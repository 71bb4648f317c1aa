import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import type { Handler } from './http-server.ts'

/** The server's own certificate, which is its authority too: for localhost, until 2120. */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBaDCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFBlwlmeRmneJoio
7z+wHuw8Njmjj8UoK1+wn0bEuLgXVxI7TaAA4Q7BmNqnqWliHvdVYz3DOngtWzJP
XIRmid2jTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYIJbG9jYWxob3N0
hwR/AAABMB0GA1UdDgQWBBQV4owJtJZEMOmDuWwKvxW9YqLSfjAKBggqhkjOPQQD
AgNJADBGAiEAt6OR/4xqS9hyWVO9n1OEyoevUSPojCDV8V/FHpMYor4CIQCZyywc
5q0I0JhIj/jqAi3wVlQxpePcFvZ+kNjXWF0yfw==
-----END CERTIFICATE-----
`

// Of no use to anybody: it guards nothing but these tests.
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgy82a+NkDsTjf7I8x
MAwlel4MvO+hIg9C/HVt87nkEEShRANCAARQZcJZnkZp3iaIqO8/sB7sPDY5o4/F
KCtfsJ9GxLi4F1cSO02gAOEOwZjap6lpYh73VWM9wzp4LVsyT1yEZond
-----END PRIVATE KEY-----
`

/** What `mixos cache serve` offers, and what happened at it. */
export interface CacheServer {
  readonly url: URL
  readonly port: number
  readonly files: Map<string, Buffer>
  /** What is answered for a path instead of a file. */
  readonly answers: Map<string, Handler>
  /** Method, path, range and protocol of each request. */
  readonly requests: string[]
  /** How many connections there have been. */
  readonly connections: () => number
}

export interface CacheServerOptions {
  /** Changes need it. */
  readonly token?: string
  /** HTTPS, with HTTP/2 for those who speak it. */
  readonly secure?: boolean
}

/** A cache on the loopback interface that goes with the test. */
export async function cacheServer(
  t: ExecutionContext,
  { token, secure = false }: CacheServerOptions = {},
): Promise<CacheServer> {
  const files = new Map<string, Buffer>()
  const answers = new Map<string, Handler>()
  const requests: string[] = []
  let connections = 0
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = '', url = '', headers, httpVersion } = request
    const range = headers.range ? ` ${headers.range}` : ''
    requests.push(`${method} ${url}${range} ${httpVersion}`)
    const special = answers.get(pathOf(url))
    const isChange = method === 'PUT' || method === 'DELETE'
    if (special) special(request, response)
    else if (isChange && token !== undefined && headers.authorization !== `Bearer ${token}`) {
      request.resume()
      response.writeHead(headers.authorization ? 403 : 401).end()
    } else if (method === 'PUT') void receive(files, request, response)
    else if (method === 'DELETE') response.writeHead(files.delete(pathOf(url)) ? 204 : 404).end()
    else if (url.includes('?list=')) response.end(listOf(files, url))
    else send(files.get(pathOf(url)), request, response)
  }
  const server = secure
    ? createSecureServer({ key, cert: certificate, allowHTTP1: true }, answer as never)
    : createServer(answer)
  const open = new Set<{ destroy(): void }>()
  server.on(secure ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections++
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  const port = await listening(server)
  t.teardown(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
  const url = new URL(secure ? `https://localhost:${port}/cache` : `http://127.0.0.1:${port}/cache`)
  return { url, port, files, answers, requests, connections: () => connections }
}

function send(file: Buffer | undefined, request: IncomingMessage, response: ServerResponse): void {
  if (!file) return void response.writeHead(404, { 'content-length': '8' }).end('not here')
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
  const [from, to] = range ? [Number(range[1]), Number(range[2])] : [0, file.length - 1]
  if (range && from >= file.length) return void response.writeHead(416).end()
  const part = file.subarray(from, to + 1)
  response.writeHead(range ? 206 : 200, {
    'content-length': String(part.length),
    ...(range && { 'content-range': `bytes ${from}-${from + part.length - 1}/${file.length}` }),
  })
  response.end(part)
}

async function receive(
  files: Map<string, Buffer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  files.set(pathOf(request.url ?? ''), Buffer.concat(parts))
  response.writeHead(201).end()
}

function listOf(files: Map<string, Buffer>, url: string): string {
  const prefix = new URL(url, 'http://any').searchParams.get('list') ?? ''
  const wanted = [...files].filter(([path]) => path.startsWith(prefix))
  const lines = wanted.map(([path, { length }]) => ({ path, size: length, modified: 1000 }))
  return [...lines, { files: lines.length }].map(line => `${JSON.stringify(line)}\n`).join('')
}

function pathOf(url: string): string {
  return url.replace(/^\/cache\//, '')
}

async function listening(server: Server | Http2SecureServer): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
