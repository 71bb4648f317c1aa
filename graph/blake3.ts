import { Blake3Hasher } from '@napi-rs/blake-hash'

// One hasher for all short texts: making one costs more than hashing with it.
const shared = new Blake3Hasher()

/** BLAKE3 of a text (as UTF-8) or of bytes: 64 hexadecimal digits. */
export function blake3Hex(data: string | Buffer): string {
  shared.reset()
  return shared.update(data).digest('hex')
}

/** BLAKE3 over a stream of chunks, for data that should not be held in memory at once. */
export function blake3Stream(): { update(chunk: Buffer): void; hex(): string } {
  const hasher = new Blake3Hasher()
  return {
    update: chunk => void hasher.update(chunk),
    hex: () => hasher.digest('hex'),
  }
}
