export interface StallWatch {
  /** Something has moved: so many bytes, or something that counts by itself. */
  feed(bytes?: number): void
  stop(): void
}

// A far end that sends a byte now and then is as slow as one that sends none.
const STRIDE = 1024

/**
 * Calls `onStall` when too little was fed for `wait` milliseconds, and again later if it answers `moves`.
 * The timers of HTTP clients are made for minutes and miss two seconds by half of one.
 */
export function stallWatch(wait: number, onStall: () => 'moves' | 'stalled'): StallWatch {
  let feeds = 0
  let bytesSince = 0
  let isStopped = false
  const timer = setTimeout(() => {
    const before = feeds
    // Timers run ahead of what the network has brought: after a long computation, all would look stalled.
    setImmediate(() => {
      if (isStopped) return
      if (feeds !== before || onStall() === 'moves') timer.refresh()
    })
  }, wait)
  return {
    feed: (bytes = STRIDE) => {
      bytesSince += bytes
      if (bytesSince < STRIDE || isStopped) return
      bytesSince = 0
      feeds++
      timer.refresh()
    },
    stop: () => {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
