/** How fast an answer must come. */
export interface Pace {
  /** Milliseconds in which `bytes` more of it must come, or its end. */
  readonly window: number
  readonly bytes: number
}

export interface PaceWatch {
  /** Aborts where too little came in a window; the reason says how much. */
  readonly signal: AbortSignal
  came(bytes: number): void
  stop(): void
}

/** Neither nothing nor a trickle keeps anyone waiting. */
export function watchPace({ window, bytes }: Pace): PaceWatch {
  const controller = new AbortController()
  let seen = 0
  const timer = setInterval(() => {
    if (seen < bytes) controller.abort(new Error(shortfall(seen, { window, bytes })))
    seen = 0
  }, window)
  return {
    signal: controller.signal,
    came: count => {
      seen += count
    },
    stop: () => clearInterval(timer),
  }
}

function shortfall(seen: number, { window, bytes }: Pace): string {
  const time = `${window / 1000} s`
  if (seen === 0) return `no data for ${time}`
  return `too slow: ${seen} bytes in ${time}, expected ${bytes}`
}
