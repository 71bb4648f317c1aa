import { idleTime } from '../../hosts/node-thread.ts'
import type { Line } from './http-exchange.ts'

// Bytes a second: of one answer, and of all answers over the line together, which may be narrow.
const LEAST = 4 * 1024
const LEAST_OF_ALL = 64 * 1024

/**
 * Tells, of each part of a body that comes, whether in the last `wait` milliseconds too little came, though this line
 * would have carried more. What never pauses for long can take for ever all the same.
 */
export function paceOf(wait: number, line: Pick<Line, 'bytes'>): (bytes: number) => boolean {
  let since = idleTime()
  let ofAll = line.bytes
  let own = 0
  return bytes => {
    own += bytes
    const waited = idleTime() - since
    if (waited < wait) return false
    const isSlow = (least: number, came: number): boolean => came * 1000 < least * waited
    if (isSlow(LEAST, own) && isSlow(LEAST_OF_ALL, line.bytes - ofAll)) return true
    since += waited
    ofAll = line.bytes
    own = 0
    return false
  }
}
