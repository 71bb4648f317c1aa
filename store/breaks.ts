import { setImmediate as others } from 'node:timers/promises'
import type { Host } from './host.ts'

/** For long work that never waits by itself: without breaks, no signal would get through to end it. */
export interface Breaks {
  readonly isDue: () => boolean
  /** Lets everything else of this process have its turn. */
  readonly take: () => Promise<void>
}

// In milliseconds: less than what a user takes for a delay, much more than a break costs.
const EVERY = 50

export function breaksOf(host: Host): Breaks {
  let last = host.uptime()
  return {
    isDue: () => host.uptime() - last >= EVERY,
    take: async () => {
      await others()
      last = host.uptime()
    },
  }
}
