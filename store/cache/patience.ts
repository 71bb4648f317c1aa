import { idleTime } from '../hosts/node-thread.ts'

/** How long all waiting for one cache may take together. */
export interface Patience {
  /** Gives `ask` a signal that aborts, with a TimeoutError, when the patience is used up. */
  run<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T>
}

// From the other side of the earth, and for a server that looks on its disk. Also in milliseconds.
const QUICK = 250

/**
 * Counts the time in which something was asked and no answer came, whoever asked, but not in which we were busy. Each
 * answer gives back what a quick one takes: a distant cache is not slow, one that takes a second for each of a few
 * is. `budget` in milliseconds.
 */
export function patienceOf(budget: number): Patience {
  const spentUp = new AbortController()
  let outstanding = 0
  let rest = budget
  let since = 0
  let timer: NodeJS.Timeout | undefined

  const start = (): void => {
    since = idleTime()
    timer = setTimeout(check, rest)
  }
  const stop = (): void => {
    clearTimeout(timer)
    rest = Math.max(0, rest - (idleTime() - since))
  }
  const check = (): void => {
    stop()
    if (rest > 0) start()
    else spentUp.abort(new DOMException(`no answer for ${budget} ms in all`, 'TimeoutError'))
  }
  return {
    run: async ask => {
      if (outstanding++ === 0) start()
      try {
        const answer = await ask(spentUp.signal)
        rest += QUICK
        return answer
      } finally {
        stop()
        rest = Math.min(budget, rest)
        if (--outstanding > 0) start()
      }
    },
  }
}
