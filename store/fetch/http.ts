import { type ErrorCode, MixosError } from '../../graph/error.ts'
import type { Answer, Host, Network } from '../host.ts'
import { type Fetcher, PassingFailure, type Target } from './fetcher.ts'
import { type Pace, watchPace } from './pace.ts'

/** How long to wait, in milliseconds. The first window begins with the request. */
export interface Patience extends Pace {
  /** For a connection. */
  readonly connect: number
  /** Before a host that could not be reached is tried again, the first time and at most: it grows fourfold. */
  readonly unreachable: { readonly first: number; readonly most: number }
}

export const PATIENCE: Patience = {
  connect: 10_000,
  window: 20_000,
  bytes: 4096,
  unreachable: { first: 1000, most: 300_000 },
}

const MAX_REDIRECTS = 5

/**
 * Fetches over HTTP and HTTPS. Resumes with a range request; a server that ignores ranges restarts the
 * target. Redirects are followed, but never from HTTPS to HTTP, and a password goes to no other origin.
 */
export function httpFetcher(host: Host, patience: Patience = PATIENCE): Fetcher {
  return {
    async fetch(url, target, { signal, onProgress }) {
      const watch = watchPace(patience)
      const context = { host, patience, signal: AbortSignal.any([signal, watch.signal]) }
      try {
        const answer = await open(context, url, target)
        try {
          for await (const chunk of wanted(answer)) {
            watch.came(chunk.length)
            target.write(chunk)
            onProgress(target.position)
          }
        } finally {
          answer.close()
        }
      } catch (error) {
        signal.throwIfAborted()
        if (watch.signal.aborted) throw new PassingFailure(watch.signal.reason.message, error)
        throw error
      } finally {
        watch.stop()
      }
      if (target.size !== undefined && target.position < target.size) {
        throw new PassingFailure(
          `the answer ended after ${target.position} of ${target.size} bytes`,
        )
      }
    },
  }
}

interface Context {
  readonly host: Host
  readonly patience: Patience
  readonly signal: AbortSignal
}

/** The answer that holds what the target lacks, after redirects. */
async function open(context: Context, url: URL, target: Target): Promise<Answer> {
  const answer = await followed(context, url, target.position)
  const refuse = (reason: string, code: ErrorCode = 'FETCH_FAILED'): never => {
    answer.close()
    throw new MixosError(code, reason)
  }
  if (answer.status === 416 && target.position > 0) {
    answer.close()
    target.restart()
    return open(context, url, target)
  }
  if (answer.status !== 200 && answer.status !== 206) {
    answer.close()
    throw failure(`HTTP status ${answer.status}`, { isPassing: isPassing(answer.status) })
  }
  // A portal that wants a login answers 200 with a page.
  if (
    /^text\/html\b/i.test(answer.headers['content-type'] ?? '') &&
    !/\.html?$/.test(url.pathname)
  ) {
    return refuse('the answer is a web page')
  }
  const from = answer.status === 206 ? rangeStart(answer) : 0
  if (from !== 0 && from !== target.position) {
    return refuse(`asked for byte ${target.position} on, got ${answer.headers['content-range']}`)
  }
  const length = answer.headers['content-length']
  const total = length === undefined ? undefined : from + Number(length)
  if (target.size !== undefined && total !== undefined && total !== target.size) {
    return refuse(`it has ${total} bytes, not ${target.size}`, 'HASH_MISMATCH')
  }
  if (from === 0) target.restart()
  return answer
}

async function followed(context: Context, start: URL, position: number): Promise<Answer> {
  let url = start
  for (let redirects = 0; ; redirects++) {
    const answer = await request(context, url, position)
    const location = answer.headers.location
    if (answer.status < 300 || answer.status > 399 || location === undefined) return answer
    answer.close()
    if (redirects === MAX_REDIRECTS) throw failure(`more than ${MAX_REDIRECTS} redirects`)
    url = redirected(url, location)
  }
}

/** Where a redirect leads. Throws FETCH_FAILED where it must not be followed. */
function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from.href)
  if (!to) throw failure(`redirected to ${JSON.stringify(location)}, which is no URL`)
  if (to.protocol !== 'https:' && to.protocol !== from.protocol) {
    throw failure(`redirected from ${from.protocol}//${from.host} to ${to.protocol}//${to.host}`)
  }
  if (to.origin !== from.origin) {
    to.username = ''
    to.password = ''
  }
  return to
}

interface Outage {
  readonly why: string
  readonly isPassing: boolean
  readonly until: number
  /** How long it counts as one, in milliseconds. */
  readonly length: number
}

// By network and then by origin: with a mirror down, a hundred fetches need not wait for it each.
const outages = new WeakMap<Network, Map<string, Outage>>()
// What lasts longer is not waited for, or each of a hundred fetches would wait for the end of it.
const LONGEST_PASSING = 16_000

async function request(
  { host, patience, signal }: Context,
  url: URL,
  from: number,
): Promise<Answer> {
  const known = outages.get(host.network) ?? new Map<string, Outage>()
  outages.set(host.network, known)
  const outage = known.get(url.origin)
  if (outage && host.now() < outage.until) throw failure(outage.why, outage)
  const headers = {
    'accept-encoding': 'identity',
    'user-agent': 'mixos',
    ...(from > 0 && { range: `bytes=${from}-` }),
    ...authorization(url),
  }
  try {
    const options = { headers, signal, connectWithin: patience.connect }
    const answer = await host.network.request(url, options)
    known.delete(url.origin)
    return answer
  } catch (error) {
    if (signal.aborted) throw error
    const { code = '', statusCode } = error as NodeJS.ErrnoException & { statusCode?: number }
    // The status is what a proxy answered with.
    const refusal = {
      why: reasonOf(error),
      isPassing: PASSING.has(code) || isPassing(statusCode ?? 0),
    }
    if (UNREACHABLE.has(code)) {
      const current = known.get(url.origin)
      known.set(url.origin, outageAfter(current, refusal, { now: host.now(), patience }))
    }
    throw failure(refusal.why, { isPassing: refusal.isPassing, cause: error })
  }
}

function outageAfter(
  last: Outage | undefined,
  refusal: Pick<Outage, 'why' | 'isPassing'>,
  { now, patience: { unreachable } }: { now: number; patience: Patience },
): Outage {
  // Of several requests that fail at once, one counts.
  if (last && now < last.until) return last
  const length = last ? Math.min(4 * last.length, unreachable.most) : unreachable.first
  const { why } = refusal
  return {
    why,
    isPassing: refusal.isPassing && length <= LONGEST_PASSING,
    until: now + length,
    length,
  }
}

const NO_WAY = ['EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']
const UNREACHABLE = new Set([...NO_WAY, 'ENOTFOUND'])
// That a name does not exist is an answer.
const PASSING = new Set([...NO_WAY, 'ECONNRESET', 'ENETDOWN', 'EPIPE'])

/** Of a status: the server has too much to do, or something is wrong with it. */
const isPassing = (status: number): boolean => status === 429 || status >= 500

function authorization(url: URL): Record<string, string> {
  if (url.username === '' && url.password === '') return {}
  const [user, password] = [decoded(url.username), decoded(url.password)]
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}

/** A percent sign that encodes nothing is itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (!(error instanceof URIError)) throw error
    return text
  }
}

/** The body, its failures told apart from those of the reader. */
async function* wanted(answer: Answer): AsyncGenerator<Uint8Array> {
  try {
    yield* answer.body
  } catch (error) {
    throw new PassingFailure(`the connection broke: ${reasonOf(error)}`, error)
  }
}

function rangeStart(answer: Answer): number {
  const match = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')
  return match ? Number(match[1]) : Number.NaN
}

function failure(
  reason: string,
  { isPassing = false, cause }: { isPassing?: boolean; cause?: unknown } = {},
): MixosError {
  if (isPassing) return new PassingFailure(reason, cause)
  return new MixosError('FETCH_FAILED', reason, { cause })
}

/** Node wraps the failures of all addresses of a host into an error without a message. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return reasonOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}
