import type { IncomingMessage, ServerResponse } from 'node:http'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import { nodeDisk } from '../hosts/node-disk.ts'
import { type WebServer, webServer } from '../hosts/node-web.ts'
import { answering } from './serve/answer.ts'
import { checkDirectory } from './serve/check-directory.ts'
import { connectionTable } from './serve/connections.ts'
import type { Disk } from './serve/disk.ts'
import { Abandoned, type Exchange, exchangeOf } from './serve/exchange.ts'
import { indexChecker } from './serve/index-checker.ts'
import { DEFAULT_LIMITS, type ServeLimits } from './serve/limits.ts'
import { paceOf } from './serve/pace.ts'
import { tokenCheck } from './serve/token.ts'
import { directoryStorage } from './storages/directory.ts'

export interface ServeOptions {
  readonly host: Host
  readonly directory: string
  /** Of the interface to listen on. */
  readonly address: string
  /** 0 for any that is free. */
  readonly port: number
  /** In PEM. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Who has it may list, add and delete files. Without it, nobody may. */
  readonly uploadToken?: string
  readonly limits?: Partial<ServeLimits>
  /** Closes the server. */
  readonly signal: AbortSignal
  readonly onRequest?: (request: Answered) => void
  /** What clients are not told: that the disk fails, for instance. */
  readonly onError?: (error: unknown) => void
  /** By default, the real one. */
  readonly disk?: Disk
}

export interface Answered {
  readonly method: string
  /** As it was sent, but for what no terminal should show. */
  readonly path: string
  readonly status: number
  /** Of the body: received for an upload, else sent. */
  readonly bytes: number
}

export interface Serving {
  readonly url: string
  /** Running requests may end for a moment; then they are broken off. Resolves when nothing runs. */
  close(): Promise<void>
}

/**
 * Serves the files of a cache in a directory, and takes new ones from those who have the token. Safe beside
 * other processes that use the directory. Throws ADDRESS_UNAVAILABLE for an address or a port,
 * KEY_INVALID for a key or a certificate, SETTINGS_INVALID for a token and FILE_UNAVAILABLE for a directory that are of
 * no use, and CACHE_FOREIGN for the directory of something else.
 */
export async function serveCache(options: ServeOptions): Promise<Serving> {
  const { host, directory, uploadToken, signal } = options
  signal.throwIfAborted()
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const isAllowed = uploadToken === undefined ? undefined : tokenCheck(uploadToken)
  const storage = directoryStorage(host, directory)
  const isWritable = isAllowed !== undefined
  await checkDirectory(host, directory, { storage, isWritable, signal })
  const { disk = nodeDisk(), onRequest, onError = () => undefined } = options
  const indexes = indexChecker()
  const stopping = new AbortController()
  const answer = answering({
    directory,
    disk,
    indexes,
    limits,
    isAllowed,
    storage,
    signal: stopping.signal,
  })
  const pace = paceOf(limits.stallTimeout)
  const connections = connectionTable(limits)
  const running = new Set<Promise<void>>()
  const server = opened(() =>
    webServer({
      ...limits,
      tls: options.tls,
      handshakeTimeout: limits.headersTimeout,
      onConnection: connections.admit,
      onSession: session => {
        const connection = connections.of(session.socket)
        if (connection) connection.finish = () => session.close()
      },
      onRequest: take,
    }),
  )
  const port = await listening(server, options).catch(error => {
    connections.destroy()
    pace.stop()
    throw error
  })
  server.onError(onError)
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= closeAll()
    return closing
  }
  const onAbort = (): void => void close()
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  return { url: urlOf(options, port), close }

  function take(
    request: IncomingMessage,
    response: ServerResponse,
    how: { isAwaited: boolean },
  ): void {
    const connection = connections.of(request.socket)
    // It went just now, with everything that was asked over it.
    if (!connection) return
    connections.begin(connection)
    const exchange = exchangeOf(request, response, {
      ...how,
      pace,
      onOver: outcome => {
        connections.end(connection)
        onRequest?.({ method: exchange.method, path: shown(exchange.target), ...outcome })
      },
    })
    const work = connection.turns
      .take(stopping.signal, () => answer(exchange))
      .catch(error => fail(exchange, error))
      .finally(() => running.delete(work))
    running.add(work)
  }

  function fail(exchange: Exchange, error: unknown): void {
    if (error instanceof Abandoned || stopping.signal.aborted) {
      exchange.abort()
      return
    }
    onError(error)
    if (error instanceof MixosError && error.code === 'DISK_FULL') {
      exchange.refuse(507, 'the disk of the cache is full')
    } else exchange.refuse(500, 'the server cannot do this now')
  }

  async function closeAll(): Promise<void> {
    signal.removeEventListener('abort', onAbort)
    server.close()
    const timer = Promise.withResolvers<void>()
    const timeout = setTimeout(timer.resolve, limits.closeTimeout)
    await Promise.race([connections.finish(), timer.promise])
    clearTimeout(timeout)
    stopping.abort(new Abandoned())
    connections.destroy()
    pace.stop()
    await Promise.all(running)
    await indexes.close()
  }
}

function opened(open: () => WebServer): WebServer {
  try {
    return open()
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    if (!code.startsWith('ERR_OSSL') && !code.startsWith('ERR_TLS')) throw error
    throw new MixosError('KEY_INVALID', `the key and the certificate are of no use: ${message}`, {
      hint: 'give both in PEM: the key, and the certificate that was made for it',
      cause: error,
    })
  }
}

async function listening(server: WebServer, { address, port }: ServeOptions): Promise<number> {
  try {
    return await server.listen(address, port)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw new MixosError(
      'ADDRESS_UNAVAILABLE',
      `cannot listen on ${address} port ${port}: ${code}`,
      {
        hint: code === 'EADDRINUSE' ? 'end the other server, or choose another port' : undefined,
        cause: error,
      },
    )
  }
}

function urlOf({ address, tls }: ServeOptions, port: number): string {
  return `${tls ? 'https' : 'http'}://${address.includes(':') ? `[${address}]` : address}:${port}`
}

const shown = (target: string): string => target.slice(0, 200).replace(/[^\x21-\x7e]/g, '?')
