import { aging } from './aging.ts'

/** Ends transfers that do not move. */
export interface Pace {
  begin(abort: () => void): Transfer
  stop(): void
}

export interface Transfer {
  /** So many bytes went on their way. */
  moved(bytes: number): void
  /** From now until it resumes, it is we who are slow. */
  hold(): void
  resume(): void
  end(): void
}

// Who takes or sends a byte now and then is as slow as one who does nothing.
const STRIDE = 16 << 10

/** `wait` is how long a transfer may take for its next bytes, in milliseconds. */
export function paceOf(wait: number): Pace {
  const running = aging<() => void>(wait, abort => abort())
  return {
    begin: abort => {
      // One function for each transfer, even where two have the same way to end.
      const entry = (): void => abort()
      let moved = 0
      running.renew(entry)
      return {
        moved: bytes => {
          moved += bytes
          if (moved < STRIDE) return
          moved = 0
          running.renew(entry)
        },
        hold: () => running.delete(entry),
        resume: () => running.renew(entry),
        end: () => running.delete(entry),
      }
    },
    stop: () => running.stop(),
  }
}
