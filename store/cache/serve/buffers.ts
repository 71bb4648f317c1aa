/** Buffers of one size that are used again, so that downloads do not keep the garbage collector busy. */
export interface Buffers {
  /** Undefined where too many are in use. */
  take(): Buffer | undefined
  /** One that somebody may still read is not used again, but another takes its place. */
  give(buffer: Buffer, how: { isFree: boolean }): void
}

export function buffersOf(
  size: number,
  { most, keep = most }: { most: number; keep?: number },
): Buffers {
  const free: Buffer[] = []
  let used = 0
  return {
    take: () => {
      if (used === most) return undefined
      used++
      return free.pop() ?? Buffer.allocUnsafeSlow(size)
    },
    give: (buffer, { isFree }) => {
      used--
      if (isFree && free.length < keep) free.push(buffer)
    },
  }
}
