import { blake3Stream } from '../../../graph/blake3.ts'
import { MixosError } from '../../../graph/error.ts'
import type { Digest } from '../../../graph/store-path.ts'
import { grown } from '../grown.ts'
import { SIGNED_TRACE_LIMIT } from '../signed-trace.ts'
import type { WritableStorage } from '../storage.ts'
import { type Refusal, refusalByPacks } from './check-packs.ts'
import { checkNewInfo, checkPack, checkTrace } from './check-upload.ts'
import type { Disk } from './disk.ts'
import type { Exchange } from './exchange.ts'
import type { IndexChecker } from './index-checker.ts'
import type { ServeLimits } from './limits.ts'
import type { UploadTarget } from './target.ts'

export interface Receiving {
  readonly directory: string
  readonly disk: Disk
  readonly storage: Pick<WritableStorage, 'write'>
  readonly indexes: IndexChecker
  readonly limits: ServeLimits
  readonly signal: AbortSignal
}

/**
 * Takes an upload: all of its bytes, then what they must be, then the disk. It appears whole or not at all.
 * Answers 413 for too many bytes, 422 for wrong ones and 409 for an index whose packs are not here; throws what the
 * disk says, and Abandoned.
 */
export async function receive(
  exchange: Exchange,
  target: UploadTarget,
  receiving: Receiving,
): Promise<void> {
  const { storage, limits, signal } = receiving
  const limit = limitOf(target, limits)
  const announced = exchange.headers['content-length']
  const isTooLong = Number(announced ?? 0) > limit
  const body = isTooLong ? 'too long' : await bodyOf(exchange, { limit, announced, target })
  if (body === 'too long') {
    return exchange.refuse(413, `more than the ${limit} bytes that such a file may have`)
  }
  await exchange.hold(async () => {
    const refusal = await refusalOf(body, target, receiving)
    if (refusal) return exchange.refuse(refusal.status, refusal.reason)
    // Who went before the answer may have meant to take it back.
    if (exchange.isOver()) return
    await storage.write(target.path, body.data, { signal })
    await exchange.answer(204, {})
  })
}

/** The most bytes that such a file may have. */
export function limitOf(target: UploadTarget, { packBytes, indexBytes }: ServeLimits): number {
  if (target.kind === 'info') return INFO_LIMIT
  if (target.kind === 'trace') return SIGNED_TRACE_LIMIT
  return target.kind === 'pack' ? packBytes : indexBytes
}

const INFO_LIMIT = 4096

interface Body {
  readonly data: Buffer
  /** BLAKE3 of a pack; of others, nothing is said by it. */
  readonly hash: string
}

async function bodyOf(
  exchange: Exchange,
  {
    limit,
    announced,
    target,
  }: { limit: number; announced: string | undefined; target: UploadTarget },
): Promise<Body | 'too long'> {
  const hasher = target.kind === 'pack' ? blake3Stream() : undefined
  // Memory that is never written to is never taken.
  let data: Buffer = Buffer.allocUnsafeSlow(announced === undefined ? GROWTH : Number(announced))
  let length = 0
  for await (const chunk of exchange.body()) {
    if (length + chunk.length > limit) return 'too long'
    if (length + chunk.length > data.length)
      data = grown(data, { length: length + chunk.length, most: limit })
    data.set(chunk, length)
    hasher?.update(chunk)
    length += chunk.length
  }
  return { data: data.subarray(0, length), hash: hasher?.hex() ?? '' }
}

const GROWTH = 64 << 10

async function refusalOf(
  { data, hash }: Body,
  target: UploadTarget,
  { directory, disk, indexes, signal }: Receiving,
): Promise<Refusal | undefined> {
  try {
    if (target.kind === 'object') {
      const checked = await indexes.check(data, target.digest as Digest)
      if ('needs' in checked) return await refusalByPacks(checked.needs, { disk, directory })
      return { status: 422, reason: checked.problem }
    }
    if (target.kind === 'pack') checkPack(hash, target.hash)
    else if (target.kind === 'trace') checkTrace(data, target)
    else await checkNewInfo(data, signal)
    return undefined
  } catch (error) {
    if (error instanceof MixosError) return { status: 422, reason: error.message }
    throw error
  }
}
