import { MixosError } from '../../../graph/error.ts'
import { shown } from '../../../graph/shown.ts'
import type { ReadOptions, WritableStorage } from '../storage.ts'
import type { BodyPart } from './http-body.ts'
import { type Environment, httpClient } from './http-client.ts'
import type { HttpHead, Patience } from './http-exchange.ts'
import { nameOf } from './http-failure.ts'
import { filesIn } from './http-list.ts'
import { type Asking, httpOrigin, isAbsent } from './http-origin.ts'
import { checkPath, checkPrefix } from './path.ts'

export interface HttpOptions {
  /** Sent to the origin of the URL and to no other. */
  readonly token?: string | undefined
  /** The certificate authorities that are believed, in PEM; absent, those that everybody trusts. */
  readonly ca?: string | undefined
  readonly patience?: Patience
}

export const PATIENCE: Patience = { answer: 2000, change: 15_000 }

// A server without ranges costs that much for any part of a file, and not more.
const WHOLE = 64 * 2 ** 20
const LIST = 256 * 2 ** 20

/**
 * Files of a web server; any will do for reading. Writing is PUT and DELETE, and `?list=` lists, which is what
 * `mixos cache serve` offers. Redirects are followed for reading, but never from HTTPS to HTTP.
 */
export function httpStorage(
  url: URL,
  env: Environment,
  { token, ca, patience = PATIENCE }: HttpOptions = {},
): WritableStorage {
  const base = nameOf(url).replace(/\/+$/, '')
  const client = httpClient(env, { ca, patience })
  const origin = httpOrigin(client, { url, token })
  const at = (path: string): URL => {
    checkPath(path)
    return new URL(`${base}/${path}`)
  }

  const has = async (path: string, { signal }: Asking): Promise<boolean> => {
    const { status } = await origin.read({
      method: 'HEAD',
      url: at(path),
      signal,
      part: wholeOf(0, url),
    })
    return !isAbsent(status)
  }
  return {
    name: base,
    read: async (path, { signal, limit, range }) => {
      const url = at(path)
      if (range && range.length > limit) {
        throw new MixosError(
          'CACHE_INVALID',
          `a range of ${range.length} bytes of ${nameOf(url)} is more than the ${limit} allowed`,
        )
      }
      // HTTP has no empty ranges.
      if (range?.length === 0) return (await has(path, { signal })) ? new Uint8Array() : undefined
      const part = range ? rangeOf(range, url) : wholeOf(limit, url)
      const headers = range && {
        range: `bytes=${range.offset}-${range.offset + range.length - 1}`,
      }
      const answer = await origin.read({ method: 'GET', url, signal, part, headers })
      if (isAbsent(answer.status)) return undefined
      if (range && answer.body.length < range.length) throw otherBytes(url, range, 'fewer')
      return answer.body
    },
    has,
    write: async (path, data, { signal }) => {
      await origin.change({ method: 'PUT', url: at(path), signal, body: data })
    },
    list: async function* (prefix, { signal }) {
      checkPrefix(prefix)
      const url = new URL(`${base}/?list=${encodeURIComponent(prefix)}`)
      const answer = await origin.read({ method: 'GET', url, signal, part: wholeOf(LIST, url) })
      if (isAbsent(answer.status))
        throw new MixosError('CACHE_UNAVAILABLE', `${base}: it does not list its files`, {
          hint: 'only mixos cache serve does, to those with its MIXOS_CACHE_TOKEN; or do it where the directory is',
        })
      yield* filesIn(answer.body, { prefix, name: base })
    },
    remove: async (path, { signal }) => {
      await origin.change({ method: 'DELETE', url: at(path), signal })
    },
    close: () => client.close(),
  }
}

function wholeOf(limit: number, url: URL): (head: HttpHead) => BodyPart {
  return ({ status }) => {
    if (status !== 206) return { offset: 0, length: limit, more: 'wrong' }
    throw new MixosError('CACHE_INVALID', `${nameOf(url)}: asked for all of it, got a part`)
  }
}

type Range = NonNullable<ReadOptions['range']>

/** By how the server took the request for a range. */
function rangeOf(range: Range, url: URL): (head: HttpHead) => BodyPart {
  const { offset, length } = range
  const end = offset + length
  return ({ status, headers }) => {
    if (status === 206) {
      const got = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(String(headers['content-range']))
      if (Number(got?.[1]) === offset && Number(got?.[2]) === end - 1) {
        return { offset: 0, length, more: 'wrong' }
      }
      throw otherBytes(url, range, shown(headers['content-range']))
    }
    const size = Number(headers['content-length'] ?? 0)
    if (end <= WHOLE && size <= WHOLE) return { offset, length, more: 'unwanted' }
    throw new MixosError(
      'CACHE_INVALID',
      `${nameOf(url)}: the server knows no ranges, and it is larger than ${WHOLE} bytes`,
    )
  }
}

function otherBytes(url: URL, { offset, length }: Range, got: string): MixosError {
  const wanted = `bytes ${offset}-${offset + length - 1}`
  return new MixosError('CACHE_INVALID', `${nameOf(url)}: asked for ${wanted}, got ${got}`)
}
