/**
 * Gives the memory of a large buffer back at once, which must not be used again. It lies outside of the heap, and each
 * thread would let some 64 MB of it pile up before it looks for garbage.
 */
export function release(bytes: Uint8Array): void {
  ownBuffer(bytes)?.transfer(0)
}

/** The memory of a large buffer, if it is nobody else's. */
export function ownBuffer({ buffer, byteOffset, byteLength }: Uint8Array): ArrayBuffer | undefined {
  // Small buffers share their memory with others.
  const isAlone = byteOffset === 0 && buffer.byteLength - byteLength <= SLACK
  return byteLength >= LARGE && isAlone && buffer instanceof ArrayBuffer ? buffer : undefined
}

const LARGE = 64 << 10
/** What a decompressor may add to know that there is no more. */
export const SLACK = 16
