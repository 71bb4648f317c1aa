/**
 * Things in the order of their last sign of life. One timer sees to all of them, since requests come by the
 * thousand and few grow old.
 */
export interface Aging<T> {
  /** It shows a sign of life, perhaps its first. */
  renew(item: T): void
  delete(item: T): void
  /** The longest without a sign first. */
  [Symbol.iterator](): Iterator<T>
  stop(): void
}

const STEPS = 8

/** Takes what gave no sign for `wait` milliseconds, or up to an eighth more, out and hands it to `onOld`. */
export function aging<T>(wait: number, onOld: (item: T) => void): Aging<T> {
  const seen = new Map<T, number>()
  // Steps, not the time of day: after a pause of the whole process, nobody has been silent for long.
  let now = 0
  const timer = setInterval(
    () => {
      now++
      for (const [item, last] of seen) {
        if (now - last <= STEPS) return
        seen.delete(item)
        onOld(item)
      }
    },
    Math.max(1, wait / STEPS),
  )
  timer.unref()
  return {
    renew: item => {
      seen.delete(item)
      seen.set(item, now)
    },
    delete: item => void seen.delete(item),
    [Symbol.iterator]: () => seen.keys(),
    stop: () => clearInterval(timer),
  }
}
