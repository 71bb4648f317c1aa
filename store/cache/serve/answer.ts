import type { WritableStorage } from '../storage.ts'
import { turnstile } from '../storages/http-turns.ts'
import type { Disk } from './disk.ts'
import type { Exchange } from './exchange.ts'
import type { IndexChecker } from './index-checker.ts'
import type { ServeLimits } from './limits.ts'
import { limitOf, receive } from './receive.ts'
import { sendFile } from './send-file.ts'
import { sendList } from './send-list.ts'
import { parseListing, parseTarget, type Target, type UploadTarget } from './target.ts'

export interface Served {
  readonly directory: string
  readonly disk: Disk
  readonly storage: WritableStorage
  readonly indexes: IndexChecker
  readonly limits: ServeLimits
  /** Undefined where nothing may be changed. */
  readonly isAllowed: ((authorization: string | undefined) => boolean) | undefined
  /** Ends what is asked of the storage. */
  readonly signal: AbortSignal
}

// Small uploads are many, and one sync of the disk serves all that come together.
const SMALL = 256 << 10
const SMALL_AT_A_TIME = 64
// In seconds.
const AGAIN = '5'

/** Answers one request. Throws what the disk says, and Abandoned where nobody waits for the answer any more. */
export function answering(served: Served): (exchange: Exchange) => Promise<void> {
  const { directory, disk, storage, isAllowed, limits, signal } = served
  const large = turnstile(limits.uploads)
  const small = turnstile(SMALL_AT_A_TIME)

  return async exchange => {
    const { method, target, hasBody } = exchange
    const isRead = method === 'GET' || method === 'HEAD'
    if (!isRead && !((method === 'PUT' || method === 'DELETE') && isAllowed)) {
      const allow = isAllowed ? 'GET, HEAD, PUT, DELETE' : 'GET, HEAD'
      return exchange.refuse(405, 'this server does nothing of that kind', { allow })
    }
    if (hasBody && method !== 'PUT') return exchange.refuse(400, 'such a request has no body')
    const file = parseTarget(target)
    if (isRead && file) return read(exchange, file)
    const prefix = method === 'GET' ? parseListing(target) : undefined
    if (!isAllowed || (isRead && prefix === undefined)) return absent(exchange)
    if (!isAllowed(exchange.headers.authorization)) return denied(exchange)
    if (prefix !== undefined) return sendList(exchange, storage, { prefix, signal })
    if (!file || file.kind === 'index') return absent(exchange)
    if (method === 'PUT') return put(exchange, file)
    await storage.remove(file.path, { signal })
    await exchange.answer(204, {})
  }

  async function read(exchange: Exchange, target: Target): Promise<void> {
    const file = await disk.open(directory, target.path)
    if (!file) return absent(exchange)
    try {
      await sendFile(exchange, file, target)
    } finally {
      file.close()
    }
  }

  async function put(exchange: Exchange, target: UploadTarget): Promise<void> {
    const length = Number(exchange.headers['content-length'] ?? limitOf(target, limits))
    const line = length <= SMALL ? small : large
    const late = AbortSignal.timeout(limits.uploadWait)
    try {
      await exchange.hold((over, resume) =>
        line.take(AbortSignal.any([signal, over, late]), () => {
          resume()
          return receive(exchange, target, served)
        }),
      )
    } catch (error) {
      if (error !== late.reason) throw error
      exchange.refuse(503, 'too many uploads at once: try again soon', { 'retry-after': AGAIN })
    }
  }
}

function absent(exchange: Exchange): void {
  exchange.refuse(404, 'not here')
}

function denied(exchange: Exchange): void {
  exchange.refuse(401, 'this needs the token of the cache', { 'www-authenticate': 'Bearer' })
}
