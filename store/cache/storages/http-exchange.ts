import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { MixosError } from '../../../graph/error.ts'
import { type Body, type BodyPart, bodyOf } from './http-body.ts'
import { codeOf, hintOf, nameOf, reasonOf, unavailable } from './http-failure.ts'
import { LEAST_OF_ALL, type LinePace, paceOf } from './http-pace.ts'
import { stallWatch } from './http-stall.ts'
import { onAbort } from './on-abort.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly signal: AbortSignal
  /** Says, by the head, what to take of the body. What it throws ends the request. */
  readonly part: (head: HttpHead) => BodyPart
}

export interface HttpHead {
  readonly status: number
  /** By lower-case name; a list where one came more than once. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface HttpAnswer extends HttpHead {
  readonly body: Uint8Array
}

/** How long to wait for a sign of the far end, in milliseconds. */
export interface Patience {
  /** For a connection, for an answer, and for its next kilobyte. */
  readonly answer: number
  /** The same where something is changed, which takes the far end's disk. */
  readonly change: number
}

/** What the requests to one server know of each other. */
export interface Line {
  /** Counts what comes from the far end. */
  arrivals: number
  /** Of all answers. */
  bytes: number
  readonly pace: LinePace
}

export interface Circumstances {
  readonly line: Line
  readonly patience: Patience
}

// A larger body is sent in pieces, so that it can be seen to move.
const PIECE = 64 * 1024

/**
 * One request and its answer. Throws CACHE_UNAVAILABLE where no answer comes, or not all of it, and
 * CACHE_INVALID for more than is wanted. All requests are such that asking twice does no harm, which is what
 * a connection gets that broke before the answer: the server may have closed it just then as idle.
 */
export async function exchange(
  dispatcher: Dispatcher,
  request: HttpRequest,
  circumstances: Circumstances,
): Promise<HttpAnswer> {
  try {
    return await ask(dispatcher, request, circumstances)
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error
    return ask(dispatcher, request, circumstances)
  }
}

export function waitFor({ method }: Pick<HttpRequest, 'method'>, patience: Patience): number {
  return method === 'GET' || method === 'HEAD' ? patience.answer : patience.change
}

const UNWANTED = 'no longer wanted'
const TOO_SLOW = `all its answers together come at less than ${LEAST_OF_ALL / 1024} KiB a second`

class Unanswered extends MixosError {}

function ask(
  dispatcher: Dispatcher,
  { method, url, headers, body, signal, part }: HttpRequest,
  { line, patience }: Circumstances,
): Promise<HttpAnswer> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
  const wait = waitFor({ method }, patience)
  let controller: Dispatcher.DispatchController | undefined
  let answer: { head: HttpHead; body: Body; isSlow: (bytes: number) => boolean } | undefined
  let hasBegun = false
  let isOver = false
  let seen = line.arrivals

  const watch = stallWatch(wait, () => {
    // One that waits for a connection sees by the others that the server lives.
    if (!controller && seen !== line.arrivals) {
      seen = line.arrivals
      return 'moves'
    }
    const what = answer ? 'no more came' : controller ? 'no answer came' : 'no connection came up'
    fail(unavailable(url, `${what} within ${wait / 1000} s`))
    return 'stalled'
  })
  const forget = onAbort(signal, () => fail(signal.reason))
  send()
  return promise

  function send(): void {
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers: body ? { ...headers, 'content-length': String(body.length) } : headers,
        body: body && body.length > PIECE ? Readable.from(piecesOf(body)) : (body ?? null),
        // Without it, the connection would end with each HEAD.
        reset: false,
      },
      {
        onRequestStart: started => {
          controller = started
          if (isOver) started.abort(new Error(UNWANTED))
        },
        onBodySent: chunk => watch.feed(chunk.length),
        onResponseStart: (_, status, headers) => {
          if (status >= 200) attempt(() => start({ status, headers }))
        },
        onResponseData: (_, chunk) => attempt(() => take(chunk)),
        onResponseEnd: () => attempt(finish),
        onResponseError: (_, error) => fail(explained(error)),
      },
    )
  }

  function start(head: HttpHead): void {
    line.arrivals++
    watch.feed()
    const isBodiless = method === 'HEAD' || head.status === 204 || head.status === 304
    const size = isBodiless ? 0 : announced(head)
    const body = bodyOf(part(head), { size, name: nameOf(url) })
    answer = { head, body, isSlow: paceOf(wait, line) }
  }

  function take(chunk: Uint8Array): void {
    line.arrivals++
    line.bytes += chunk.length
    watch.feed(chunk.length)
    if (!hasBegun) line.pace.begin()
    hasBegun = true
    const isNarrow = line.pace.isSlow(chunk.length)
    if (answer?.body.take(chunk) === 'enough') cut()
    else if (answer?.isSlow(chunk.length)) throw unavailable(url, 'it only trickles')
    else if (isNarrow) throw unavailable(url, TOO_SLOW)
  }

  function finish(): void {
    const missing = answer?.body.missing()
    if (missing !== undefined) throw unavailable(url, missing)
    complete()
  }

  function complete(): void {
    if (!answer) return
    const { head, body } = answer
    over(() => resolve({ ...head, body: body.bytes() }))
  }

  /** Takes what has come; the connection goes, since the rest would come over it. */
  function cut(): void {
    complete()
    controller?.abort(new Error(UNWANTED))
  }

  function fail(error: unknown): void {
    if (isOver) return
    over(() => reject(error))
    controller?.abort(new Error(UNWANTED))
  }

  function over(settle: () => void): void {
    if (isOver) return
    isOver = true
    if (hasBegun) line.pace.end()
    watch.stop()
    forget()
    settle()
  }

  /** What it throws ends the request. */
  function attempt(action: () => void): void {
    if (isOver) return
    try {
      action()
    } catch (error) {
      fail(error)
    }
  }

  function explained(error: Error): MixosError {
    const reason = reasonOf(error)
    if (answer) return unavailable(url, `the connection broke: ${reason}`, error)
    if (!BROKEN.has(codeOf(error))) return unavailable(url, reason, error)
    const hint = line.arrivals === 0 ? hintOf(url, error) : undefined
    return new Unanswered('CACHE_UNAVAILABLE', `${nameOf(url)}: ${reason}`, { hint, cause: error })
  }
}

// The last one is how a server with HTTP/2 says that it has too much to do at once.
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'ERR_HTTP2_STREAM_ERROR'])

function announced({ headers }: HttpHead): number | undefined {
  const length = headers['content-length']
  return typeof length === 'string' && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

function* piecesOf(data: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < data.length; at += PIECE) yield data.subarray(at, at + PIECE)
}
