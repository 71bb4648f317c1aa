/**
 * The same bytes in a buffer that holds at least `length`: twice as much as before, but never more than `most`, which is
 * all that may come. Memory that is never written to is never taken.
 */
export function grown(data: Buffer, { length, most }: { length: number; most: number }): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(length, Math.min(most, 2 * data.length)))
  larger.set(data)
  return larger
}
