import { setTimeout as sleep } from 'node:timers/promises'
import { MixosError } from '../../graph/error.ts'
import { grown } from '../cache/grown.ts'
import type { CacheStorage, ReadOptions } from '../cache/storage.ts'
import { checkPath } from '../cache/storages/path.ts'
import { type Pace, type PaceWatch, watchPace } from '../fetch/pace.ts'
import type { Answer, Network } from '../host.ts'
import { slotsOf } from '../slots.ts'

/** How long a server may take. */
export interface Patience extends Pace {
  /** Milliseconds to wait before each further try, where a connection breaks or the server is busy. */
  readonly retries: readonly number[]
}

export const PATIENCE: Patience = { window: 15_000, bytes: 4096, retries: [250, 1500] }
const REQUESTS = 16
/** A server without ranges sends the whole of a small file. */
const WHOLE = 1 << 20

/**
 * A repository or a cache on a web server, to be read: what a machine needs that only installs. Redirects are not
 * followed. Throws CACHE_UNAVAILABLE, also for an answer that comes too slowly, and CACHE_INVALID for one that is
 * longer than what was asked for.
 */
export function webStorage(
  network: Network,
  base: string,
  patience: Patience = PATIENCE,
): CacheStorage {
  const name = nameOf(base)
  const requests = slotsOf(REQUESTS)
  const read: CacheStorage['read'] = (path, options) => {
    checkPath(path)
    const url = new URL(`${base.replace(/\/+$/, '')}/${path}`)
    const at = `${name}/${path}`
    return requests.run(0, () =>
      tried(() => readOnce(network, { url, at, patience, ...options }), patience, options.signal),
    )
  }
  return {
    name,
    read,
    has: async (path, { signal }) =>
      (await read(path, { signal, limit: 1, range: { offset: 0, length: 1 } })) !== undefined,
    close: async () => undefined,
  }
}

class Broken extends MixosError {}

async function tried<T>(
  action: () => Promise<T>,
  { retries }: Patience,
  signal: AbortSignal,
): Promise<T> {
  for (const wait of retries) {
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof Broken)) throw error
    }
    await sleep(wait, undefined, { signal })
  }
  return action()
}

interface Request extends ReadOptions {
  readonly url: URL
  /** For messages. */
  readonly at: string
  readonly patience: Patience
}

async function readOnce(network: Network, request: Request): Promise<Uint8Array | undefined> {
  const { url, at, patience, signal, range } = request
  const watch = watchPace(patience)
  const ending = AbortSignal.any([signal, watch.signal])
  let answer: Answer | undefined
  try {
    answer = await network.request(url, {
      headers: range ? { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : {},
      signal: ending,
      connectWithin: patience.window,
    })
    return await bodyOf(answer, request, watch)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof MixosError) throw error
    if (watch.signal.aborted)
      throw new MixosError('CACHE_UNAVAILABLE', `${at}: ${watch.signal.reason.message}`, {
        hint: 'try again later, or use another mirror',
      })
    const { code, message } = error as NodeJS.ErrnoException
    throw new Broken('CACHE_UNAVAILABLE', `${at} cannot be read: ${code ?? message}`, {
      hint: 'check the network and the address',
      cause: error,
    })
  } finally {
    watch.stop()
    answer?.close()
  }
}

async function bodyOf(
  { status, headers, body }: Answer,
  { at, limit, range }: Request,
  watch: PaceWatch,
): Promise<Uint8Array | undefined> {
  if (status === 404 || status === 410) return undefined
  if (status !== 200 && !(status === 206 && range)) throw refused(at, status)
  const announced = Number(headers['content-length'] ?? 0)
  const isPart = status === 206
  const wanted = range ? range.length : limit
  const most = isPart || !range ? wanted : Math.max(WHOLE, limit)
  const tooLong = (got: string): MixosError =>
    new MixosError('CACHE_INVALID', `${at} is ${got}, expected at most ${most} bytes`)
  if (announced > most) throw tooLong(`${announced} bytes long`)
  // One buffer: chunks of a byte each would take a hundred times their length.
  let data: Buffer = Buffer.alloc(0)
  let length = 0
  for await (const chunk of body) {
    const end = length + chunk.length
    watch.came(chunk.length)
    if (end > most) throw tooLong('longer than it may be')
    if (end > data.length) data = grown(data, { length: end, most })
    data.set(chunk, length)
    length = end
  }
  if (announced > length)
    throw new Broken('CACHE_UNAVAILABLE', `${at} ended after ${length} of ${announced} bytes`)
  const bytes = data.subarray(0, length)
  if (!range) return bytes
  const part = isPart ? bytes : bytes.subarray(range.offset, range.offset + range.length)
  if (part.length === range.length) return part
  const got = `got ${part.length} bytes at ${range.offset}, expected ${range.length}`
  throw new MixosError('CACHE_INVALID', `${at}: ${got}`)
}

function refused(at: string, status: number): MixosError {
  const message = `${at}: the server answers ${status}`
  if (status === 401 || status === 403) return new MixosError('CACHE_DENIED', message)
  const isBusy = status === 429 || status >= 500
  const hint = status >= 300 && status < 400 ? 'use the address that it is now at' : undefined
  return new (isBusy ? Broken : MixosError)('CACHE_UNAVAILABLE', message, { hint })
}

function nameOf(base: string): string {
  const url = URL.parse(base)
  if (
    url &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    !url.username &&
    !url.password &&
    !url.search
  )
    return url.href.replace(/\/+$/, '')
  throw new MixosError(
    'REPOSITORY_INVALID',
    'the address of a repository is no URL of a web server',
    {
      hint: 'for instance: https://packages.example/mixos',
    },
  )
}
