import { onAbort } from './on-abort.ts'

/** Lets so many run at a time, in the order of their coming. */
export interface Turnstile {
  take<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T>
  /** Sends all who wait away with this error. */
  refuse(error: unknown): void
}

interface Waiting {
  readonly proceed: () => void
  readonly fail: (error: unknown) => void
}

export function turnstile(width: number): Turnstile {
  const waiting = new Set<Waiting>()
  let running = 0
  return {
    take: async (signal, action) => {
      if (running < width) running++
      else await turn(signal)
      try {
        return await action()
      } finally {
        leave()
      }
    },
    refuse: error => {
      for (const { fail } of [...waiting]) fail(error)
    },
  }

  function turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const entry: Waiting = {
      proceed: () => {
        forget()
        resolve()
      },
      fail: error => {
        forget()
        reject(error)
      },
    }
    const ignore = onAbort(signal, () => entry.fail(signal.reason))
    const forget = (): void => {
      waiting.delete(entry)
      ignore()
    }
    waiting.add(entry)
    return promise
  }

  /** The next one takes over the place. */
  function leave(): void {
    const [next] = waiting
    if (next) next.proceed()
    else running--
  }
}
