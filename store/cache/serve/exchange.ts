import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Pace } from './pace.ts'

/** A request and its answer, by either version of HTTP. */
export interface Exchange {
  readonly method: string
  readonly target: string
  readonly headers: IncomingMessage['headers']
  /** Whether a body comes with it. */
  readonly hasBody: boolean
  /** True when nothing more can be sent. */
  readonly isOver: () => boolean
  /** The head alone; what is sent follows. */
  begin(status: number, headers: OutgoingHttpHeaders): void
  /** Resolves when the network has taken it: true if more may follow. The chunk is free then. */
  send(chunk: Uint8Array): Promise<boolean>
  end(): void
  /** The whole answer at once; without a body, for a HEAD. */
  answer(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array): Promise<boolean>
  /** A short answer in words, whatever of the request's body is still on its way. */
  refuse(status: number, reason: string, headers?: OutgoingHttpHeaders): void
  /** The request's body, once. Throws Abandoned where not all of it comes. */
  body(): AsyncIterable<Buffer>
  /**
   * While the action runs, or until it resumes, it is we who are slow. The signal is aborted when nobody waits
   * for it any more.
   */
  hold<T>(action: (over: AbortSignal, resume: () => void) => Promise<T>): Promise<T>
  /** Ends it without an answer, or in the middle of one. */
  abort(): void
}

export interface Outcome {
  readonly status: number
  /** Of the body: received for an upload, else sent. */
  readonly bytes: number
}

export interface ExchangeOptions {
  readonly pace: Pace
  /** The client sends the body only when it is told to. */
  readonly isAwaited: boolean
  /** Called once, when nothing more comes or goes. */
  readonly onOver: (outcome: Outcome) => void
}

export function exchangeOf(
  request: IncomingMessage,
  response: ServerResponse,
  { pace, isAwaited, onOver }: ExchangeOptions,
): Exchange {
  const { method = '', url: target = '', headers } = request
  // Only with HTTP/2.
  const { stream } = response as { readonly stream?: ServerHttp2Stream }
  const transfer = pace.begin(abort)
  const waiting = new Set<() => void>()
  const hasBody = stream ? !stream.endAfterHeaders : announcesBody(headers)
  let isOver = false
  let isRead = false
  let bytes = 0
  response.once('close', () => {
    isOver = true
    transfer.end()
    for (const listener of waiting) listener()
    onOver({ status: response.statusCode, bytes })
  })
  // What went wrong shows in 'close'; without listeners these would be thrown.
  response.on('error', () => undefined)
  request.on('error', () => undefined)

  return {
    method,
    target,
    headers,
    hasBody,
    isOver: () => isOver,
    begin: (status, head) => {
      if (!isOver) response.writeHead(status, head)
    },
    send,
    end: () => void response.end(),
    answer: (status, head, body) =>
      transmit(body?.length ?? 0, done => {
        response.writeHead(status, head)
        if (body) response.end(body, () => done())
        else response.end(() => done())
      }),
    refuse,
    body: () => {
      if (isAwaited) response.writeContinue()
      return received()
    },
    hold,
    abort,
  }

  /** In pieces, so that a slow client is seen to take them; one waits while another is sent. */
  async function send(chunk: Uint8Array): Promise<boolean> {
    let before = Promise.resolve(true)
    for (let at = 0; at < chunk.length; at += PIECE) {
      const piece = chunk.subarray(at, at + PIECE)
      const sent = transmit(piece.length, done => void response.write(piece, done))
      if (!(await before)) return false
      before = sent
    }
    return before
  }

  /** False where it ends before the network has taken that many bytes. */
  function transmit(length: number, act: (done: Done) => void): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    if (isOver) return Promise.resolve(false)
    const onOver = (): void => resolve(false)
    waiting.add(onOver)
    act(error => {
      waiting.delete(onOver)
      if (!error) {
        bytes += length
        transfer.moved(length)
      }
      resolve(!error)
    })
    return promise
  }

  async function* received(): AsyncGenerator<Buffer> {
    try {
      // Who takes no more of it still gets an answer.
      for await (const chunk of request.iterator({ destroyOnReturn: false })) {
        bytes += chunk.length
        transfer.moved(chunk.length)
        yield chunk
      }
    } catch (error) {
      throw new Abandoned('the body broke off', { cause: error })
    }
    isRead = true
    // With HTTP/2, a body that breaks off ends like any other.
    if (stream?.rstCode) throw new Abandoned('the body broke off')
  }

  function refuse(status: number, reason: string, head: OutgoingHttpHeaders = {}): void {
    if (isOver) return
    if (response.headersSent) {
      abort()
      return
    }
    if (hasBody && !isRead) drop()
    const text = Buffer.from(`${reason}\n`)
    const type = 'text/plain; charset=utf-8'
    response.writeHead(status, { ...head, 'content-type': type, 'content-length': text.length })
    response.end(method === 'HEAD' ? undefined : text)
  }

  /** Without this, the end of the connection could overtake the refusal. */
  function drop(): void {
    if (stream) return void response.once('finish', () => stream.close(NO_ERROR))
    let dropped = 0
    request.on('data', (chunk: Buffer) => {
      dropped += chunk.length
      if (dropped > DROPPED) request.socket.destroy()
    })
    request.resume()
  }

  async function hold<T>(
    action: (over: AbortSignal, resume: () => void) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController()
    const onOver = (): void => controller.abort(new Abandoned())
    const resume = (): void => {
      if (!isOver) transfer.resume()
    }
    waiting.add(onOver)
    if (isOver) onOver()
    transfer.hold()
    try {
      return await action(controller.signal, resume)
    } finally {
      waiting.delete(onOver)
      resume()
    }
  }

  function abort(): void {
    // To close it would first say that this was all.
    if (stream) stream.destroy(new Abandoned('broken off'))
    else request.socket.destroy()
  }
}

/** Nobody waits for the answer any more. */
export class Abandoned extends Error {}

type Done = (error?: Error | null) => void

function announcesBody(headers: IncomingMessage['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

// Of an answer, what counts as a sign of life.
const PIECE = 64 << 10
// Of a body that is not wanted, so many bytes are read before the connection goes.
const DROPPED = 16 << 20
// By RFC 9113, section 7.
const NO_ERROR = 0
