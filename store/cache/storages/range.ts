import { MixosError } from '../../../graph/error.ts'
import type { ReadOptions } from '../storage.ts'
import type { WebAnswer } from './web-client.ts'

/**
 * The bytes of an answer to a range, which is one of status 200, 206 or 416. Throws CACHE_INVALID for others
 * than were asked for.
 */
export function bytesOfRange(
  { status, headers, data }: WebAnswer,
  asked: { name: string; path: string; range: NonNullable<ReadOptions['range']> },
): Uint8Array {
  const { offset, length } = asked.range
  const range = headers['content-range'] ?? 'a range without a name'
  const isThere = status === 200 || Number(/^bytes (\d+)-/.exec(range)?.[1]) === offset
  if (status !== 416 && isThere && data.length === length) return data
  const sent =
    status === 416 ? 'nothing' : `${data.length} bytes${status === 206 ? `, ${range}` : ''}`
  throw new MixosError(
    'CACHE_INVALID',
    `${asked.name}: ${asked.path}: asked for ${length} bytes from ${offset} on, got ${sent}`,
  )
}
