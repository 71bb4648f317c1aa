/** How long all waiting for one cache may take together. */
export interface Patience {
  /** Gives `ask` a signal that aborts, with a TimeoutError, when the patience is used up. */
  run<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T>
}

/**
 * Counts the time in which something was asked and no answer came, whoever asked: a cache that answers a thousand
 * questions in a while is not slow, one that takes a second for each of a few is. `budget` in milliseconds.
 */
export function patienceOf(budget: number, now: () => number): Patience {
  const spentUp = new AbortController()
  let outstanding = 0
  let rest = budget
  let since = 0
  let timer: NodeJS.Timeout | undefined

  const start = (): void => {
    since = now()
    timer = setTimeout(() => {
      spentUp.abort(new DOMException(`no answer for ${budget} ms in all`, 'TimeoutError'))
    }, rest)
  }
  const stop = (): void => {
    clearTimeout(timer)
    rest = Math.max(0, rest - (now() - since))
  }
  return {
    run: async ask => {
      if (outstanding++ === 0) start()
      try {
        return await ask(spentUp.signal)
      } finally {
        stop()
        if (--outstanding > 0) start()
      }
    },
  }
}
