/** A number of places that tasks take and give back; the most urgent of those who wait goes first. */
export interface Slots {
  /** Runs `task` when a place is free. A smaller `rank` is more urgent; equal ranks go in order. */
  run<T>(rank: number, task: () => Promise<T>): Promise<T>
}

export function slotsOf(count: number): Slots {
  let free = count
  const waiting: { rank: number; start: () => void }[] = []
  return {
    run: async (rank, task) => {
      if (free > 0) free--
      else {
        await new Promise<void>(start => {
          const at = waiting.findIndex(other => other.rank > rank)
          waiting.splice(at < 0 ? waiting.length : at, 0, { rank, start })
        })
      }
      try {
        return await task()
      } finally {
        const next = waiting.shift()
        if (next) next.start()
        else free++
      }
    },
  }
}
