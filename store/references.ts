import { DIGEST_LENGTH, type Digest } from '../graph/store-path.ts'
import type { Host } from './host.ts'

/** Finds digests in bytes. Only those it was made for are found, whatever stands around them. */
export interface ReferenceScanner {
  /** Calls `found` for every digest in `bytes`, in order, with its offset. */
  scan(bytes: Uint8Array, found: (digest: Digest, offset: number) => void): void
}

const IS_DIGEST_CHARACTER = new Uint8Array(256)
for (const character of '0123456789abcdfghijklmnpqrsvwxyz') {
  IS_DIGEST_CHARACTER[character.charCodeAt(0)] = 1
}

/**
 * A window of 32 bytes moves over the input and is tested from its end: a byte outside the alphabet lets
 * it jump past that byte, so most input is never looked at (the idea of Boyer and Moore).
 */
export function referenceScanner(digests: Iterable<Digest>): ReferenceScanner {
  const known = new Set<string>(digests)
  // Of thousands of small objects, most refer to nothing: their tables would cost more than all else.
  if (known.size === 0) return { scan: () => undefined }
  // The first two characters of each: in long runs of the alphabet, most windows are dismissed by them.
  const starts = new Uint8Array(65536)
  for (const digest of known) starts[digest.charCodeAt(0) * 256 + digest.charCodeAt(1)] = 1

  const scan: ReferenceScanner['scan'] = (bytes, found) => {
    const last = bytes.length - DIGEST_LENGTH
    // Bytes before this offset within the current window are known to be of the alphabet.
    let start = 0
    let checkedTo = 0
    while (start <= last) {
      let position = start + DIGEST_LENGTH - 1
      const stop = Math.max(start, checkedTo)
      while (position >= stop && IS_DIGEST_CHARACTER[bytes[position] as number] === 1) position--
      if (position >= stop) {
        start = position + 1
        checkedTo = start
        continue
      }
      checkedTo = start + DIGEST_LENGTH
      if (starts[(bytes[start] as number) * 256 + (bytes[start + 1] as number)] === 1) {
        const text = String.fromCharCode(...bytes.subarray(start, start + DIGEST_LENGTH))
        if (known.has(text)) {
          found(text as Digest, start)
          start += DIGEST_LENGTH
          continue
        }
      }
      start++
    }
  }
  return { scan }
}

const CHUNK = 1 << 20
/** The last bytes of a chunk may begin a digest that ends in the next one. */
export const OVERLAP = DIGEST_LENGTH - 1

/**
 * Those of the digests that stand in the files and symlinks of a tree: what `ingest` would find, without a copy. What
 * that refuses is passed over, since it is told of there.
 */
export function digestsIn(host: Host, tree: string, digests: readonly Digest[]): Set<Digest> {
  const { files } = host
  const scanner = referenceScanner(digests)
  const found = new Set<Digest>()
  const buffer = Buffer.allocUnsafe(CHUNK)
  const scan = (bytes: Uint8Array): void => scanner.scan(bytes, digest => found.add(digest))

  const scanFile = (path: string): void => {
    const fd = files.open(path, 'read')
    try {
      let kept = 0
      for (;;) {
        const read = files.readInto(fd, buffer.subarray(kept))
        if (read === 0) return
        const filled = buffer.subarray(0, kept + read)
        scan(filled)
        kept = Math.min(OVERLAP, filled.length)
        buffer.copyWithin(0, filled.length - kept, filled.length)
      }
    } finally {
      files.close(fd)
    }
  }
  const walk = (path: string): void => {
    const stats = files.lstat(path)
    if (!stats || found.size === digests.length) return
    if (stats.isSymbolicLink()) scan(Buffer.from(files.readLink(path)))
    else if ((stats.mode & 0o400) === 0) return
    else if (stats.isFile()) scanFile(path)
    else if (stats.isDirectory() && (stats.mode & 0o100) !== 0)
      for (const name of files.list(path)) walk(`${path}/${name}`)
  }
  try {
    walk(tree)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENAMETOOLONG') throw error
  }
  return found
}
