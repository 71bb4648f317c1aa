import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo, Server, Socket } from 'node:net'

export interface WebOptions {
  /** In PEM: HTTPS, with HTTP/2 for those who speak it. */
  readonly tls: { readonly key: string; readonly cert: string } | undefined
  readonly headerBytes: number
  /** In milliseconds. */
  readonly handshakeTimeout: number
  readonly idleTimeout: number
  readonly onConnection: (socket: Socket) => void
  readonly onSession: (session: ServerHttp2Session) => void
  readonly onRequest: (
    request: IncomingMessage,
    response: ServerResponse,
    how: { readonly isAwaited: boolean },
  ) => void
}

export interface WebServer {
  /** Resolves with the port, which is chosen for 0. Rejects with Node's own error. */
  listen(address: string, port: number): Promise<number>
  /** No new connections; those there are stay. */
  close(): void
  /** What goes wrong later, when a connection is taken. */
  onError(listener: (error: Error) => void): void
}

const STREAMS = 100
// What may be on its way in one upload: with less, its speed ends at so much for each round trip.
const WINDOW = 1 << 20

/** Throws Node's own error for a key or a certificate that is none. */
export function webServer(options: WebOptions): WebServer {
  const { onConnection, onRequest } = options
  const server = options.tls ? secureServer(options) : plainServer(options)
  server.on('connection', onConnection)
  server.on('request', (request: IncomingMessage, response: ServerResponse) =>
    onRequest(request, response, { isAwaited: false }),
  )
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
    onRequest(request, response, { isAwaited: true }),
  )
  return {
    listen: (address, port) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      server.once('error', reject)
      server.listen(port, address, () => {
        server.off('error', reject)
        resolve((server.address() as AddressInfo).port)
      })
      return promise
    },
    close: () => void server.close(),
    onError: listener => void server.on('error', listener),
  }
}

// Node's own timeouts end what is slow, as a whole, also a large upload that moves; so they are off, but for
// the one that clients are told of.
function plainServer({ headerBytes, idleTimeout }: WebOptions): Server {
  return createServer({
    maxHeaderSize: headerBytes,
    headersTimeout: 0,
    requestTimeout: 0,
    keepAliveTimeout: idleTimeout,
  })
}

function secureServer({
  tls,
  headerBytes,
  handshakeTimeout,
  idleTimeout,
  onSession,
}: WebOptions): Server {
  const server = createSecureServer({
    ...tls,
    allowHTTP1: true,
    handshakeTimeout,
    settings: {
      maxConcurrentStreams: STREAMS,
      maxHeaderListSize: headerBytes,
      initialWindowSize: WINDOW,
    },
  })
  // For those who speak HTTP/1.1.
  Object.assign(server, {
    maxHeaderSize: headerBytes,
    headersTimeout: 0,
    requestTimeout: 0,
    keepAliveTimeout: idleTimeout,
  })
  server.on('session', session => {
    session.setLocalWindowSize(4 * WINDOW)
    onSession(session)
  })
  return server
}
