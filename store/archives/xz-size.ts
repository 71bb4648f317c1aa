const STREAM_HEADER = 12
const MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])
// By the check's number in the stream header: none, CRC32, CRC64, SHA-256.
const CHECK_SIZES: Readonly<Record<number, number>> = { 0: 0, 1: 4, 4: 8, 10: 32 }

/**
 * The size that a .xz file unpacks to, without unpacking it: the sum over its LZMA2 chunks, beyond which
 * no decoder can get. The sizes in the file's index would be only what its author claims. Throws Error for
 * anything that is not one whole stream. Format: https://tukaani.org/xz/xz-file-format.txt
 */
export function sizeOfXz(bytes: Buffer): number {
  if (bytes.length < 2 * STREAM_HEADER || !bytes.subarray(0, 6).equals(MAGIC)) {
    throw new Error('it does not start like an xz stream')
  }
  const check = CHECK_SIZES[byteAt(bytes, 7) & 15]
  if (check === undefined) throw new Error('it has an unknown kind of check')
  let total = 0
  let position = STREAM_HEADER
  // A zero where a block would start begins the index.
  while (byteAt(bytes, position) !== 0) {
    const start = position + (byteAt(bytes, position) + 1) * 4
    const { end, size } = chunks(bytes, start)
    total += size
    position = end + ((4 - (end % 4)) % 4) + check
  }
  const index = (bytes.readUInt32LE(bytes.length - 8) + 1) * 4
  if (position + index + STREAM_HEADER !== bytes.length)
    throw new Error('it is more than one stream')
  return total
}

/** Walks the LZMA2 chunks of a block. Filters before LZMA2, if any, keep sizes as they are. */
function chunks(bytes: Buffer, start: number): { end: number; size: number } {
  let size = 0
  for (let position = start; ; ) {
    const control = byteAt(bytes, position)
    if (control === 0) return { end: position + 1, size }
    if (control > 2 && control < 0x80) throw new Error('it has an unknown kind of chunk')
    const low = word(bytes, position + 1) + 1
    if (control <= 2) {
      size += low
      position += 3 + low
      continue
    }
    size += ((control & 0x1f) << 16) + low
    // Chunks that set new properties carry one more byte.
    position += (control >= 0xc0 ? 6 : 5) + word(bytes, position + 3) + 1
  }
}

function byteAt(bytes: Buffer, position: number): number {
  const byte = bytes[position]
  if (byte === undefined) throw new Error('it ends too early')
  return byte
}

const word = (bytes: Buffer, position: number): number =>
  byteAt(bytes, position) * 256 + byteAt(bytes, position + 1)
