import { MixosError } from '../../graph/error.ts'
import { bodyOf } from '../cache/storages/http-body.ts'
import type { HttpClient } from '../cache/storages/http-client.ts'
import type { HttpAnswer, HttpRequest } from '../cache/storages/http-exchange.ts'
import { codeOf, nameOf, reasonOf, unavailable } from '../cache/storages/http-failure.ts'
import type { Patience } from '../cache/storages/http-patience.ts'
import { stallWatch } from '../cache/storages/http-stall.ts'
import { turnstile } from '../cache/storages/http-turns.ts'
import { onAbort } from '../cache/storages/on-abort.ts'

const REQUESTS = 32
/** What Node and Bun say of a connection that is gone. */
const BROKEN = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'ConnectionClosed']

/**
 * Requests by the runtime's own fetch(), for programs that carry no other client. Keeps connections as the runtime
 * does, and uses the proxies that it knows of.
 */
export function fetchClient(patience: Patience): HttpClient {
  const turns = turnstile(REQUESTS)
  const running = new Set<AbortController>()
  let hasAnswered = false

  const exchange = async (request: HttpRequest): Promise<HttpAnswer> => {
    const controller = new AbortController()
    const forget = onAbort(request.signal, () => controller.abort(request.signal.reason))
    const onAnswer = (): void => {
      hasAnswered = true
    }
    running.add(controller)
    try {
      return await ask(request, controller, { patience, onAnswer })
    } catch (error) {
      // A server that is found dead is dead for those who wait.
      const isDown = error instanceof MixosError && error.code === 'CACHE_UNAVAILABLE'
      if (isDown && !hasAnswered) turns.refuse(error)
      throw error
    } finally {
      forget()
      running.delete(controller)
    }
  }
  return {
    send: async request => {
      request.signal.throwIfAborted()
      return turns.take(request.signal, () => exchange(request))
    },
    close: async () => {
      for (const controller of running)
        controller.abort(new MixosError('CACHE_UNAVAILABLE', 'it was closed'))
    },
  }
}

interface Asking {
  readonly patience: Patience
  readonly onAnswer: () => void
}

async function ask(
  request: HttpRequest,
  controller: AbortController,
  { patience, onAnswer }: Asking,
): Promise<HttpAnswer> {
  const { method, url, part } = request
  const wait = method === 'GET' || method === 'HEAD' ? patience.answer : patience.change
  let isAnswered = false
  let isWhole = false
  const watch = stallWatch(wait, () => {
    const what = isAnswered ? 'no more came' : 'no answer came'
    controller.abort(unavailable(url, `${what} within ${wait / 1000} s`))
    return 'stalled'
  })
  try {
    const response = await openTwice(request, controller.signal)
    isAnswered = true
    onAnswer()
    watch.feed()
    const head = { status: response.status, headers: Object.fromEntries(response.headers) }
    const isBodiless = method === 'HEAD' || head.status === 204 || head.status === 304
    const size = isBodiless ? 0 : announced(head.headers['content-length'])
    const body = bodyOf(part(head), { size, name: nameOf(url) })
    for await (const chunk of response.body ?? []) {
      watch.feed(chunk.length)
      if (body.take(chunk) === 'enough') return { ...head, body: body.bytes() }
    }
    const missing = body.missing()
    if (missing !== undefined) throw unavailable(url, missing)
    isWhole = true
    return { ...head, body: body.bytes() }
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason
    if (error instanceof MixosError) throw error
    const reason = reasonOf(causeOf(error))
    throw unavailable(url, isAnswered ? `the connection broke: ${reason}` : reason, error)
  } finally {
    watch.stop()
    // What is not wanted of the body does not come over the line.
    if (!isWhole) controller.abort(new Error('no longer wanted'))
  }
}

/** A connection may have been closed as idle just then; asking twice does no harm. */
async function openTwice(request: HttpRequest, signal: AbortSignal): Promise<Response> {
  const { method, url, headers, body } = request
  const open = async (): Promise<Response> => {
    const content = body === undefined ? null : new Blob([new Uint8Array(body)])
    return fetch(url, { method, headers, body: content, redirect: 'manual', signal })
  }
  try {
    return await open()
  } catch (error) {
    if (signal.aborted || !BROKEN.includes(codeOf(causeOf(error)))) throw error
    return open()
  }
}

/** Node's fetch() says only that it failed. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error
}

function announced(length: string | undefined): number | undefined {
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}
