import { idleTime } from '../../hosts/node-thread.ts'
import type { Line } from './http-exchange.ts'

// Bytes a second: of one answer, and of all answers over the line together, which may be narrow.
const LEAST = 4 * 1024
export const LEAST_OF_ALL = 64 * 1024

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

/** How all bodies over a line come together. */
export interface LinePace {
  /** The first part of a body has come: from now on, more of it is waited for. */
  begin(): void
  /** More bytes came. Tells whether too little has come in the last `window` in which bodies were on their way. */
  isSlow(bytes: number): boolean
  end(): void
}

/**
 * `window` in milliseconds, of waiting alone: neither while we are busy, nor while nothing is on its way. Many answers
 * that each drip are as slow as one that does.
 */
export function linePaceOf(window: number): LinePace {
  let bodies = 0
  let seen = 0
  let waited = 0
  let came = 0
  const look = (): void => {
    const now = idleTime()
    if (bodies > 0) waited += now - seen
    seen = now
  }
  return {
    begin: () => {
      look()
      bodies++
    },
    isSlow: bytes => {
      look()
      came += bytes
      if (waited < window) return false
      const isSlow = came * 1000 < LEAST_OF_ALL * waited
      waited = 0
      came = 0
      return isSlow
    },
    end: () => {
      look()
      bodies--
    },
  }
}
