import { blake3Stream } from '../../graph/blake3.ts'
import { MixosError } from '../../graph/error.ts'
import { SELF_PLACEHOLDER } from '../../graph/manifest.ts'
import { DIGEST_LENGTH, type Digest, digestOfPath, type StorePath } from '../../graph/store-path.ts'
import type { Host } from '../host.ts'
import { type ReferenceScanner, referenceScanner } from '../references.ts'
import { type FileEntry, FRAME_BYTES } from './object-index.ts'
import { release } from './release.ts'

const BLANK = Buffer.from(SELF_PLACEHOLDER)

/** A file's bytes with the digests of what it names blanked out: what two versions of it have in common. */
export interface BlankFile {
  /** See Placed. */
  readonly marks: readonly number[]
  /** BLAKE3 of all of it. */
  readonly hash: string
  readonly source: BlankSource
}

/** Enough to read such a file again, in another thread too. */
export interface BlankSource {
  readonly path: string
  /** Of every digest to be blanked out. */
  readonly offsets: readonly number[]
}

/** Pieces of FRAME_BYTES, the last one shorter. */
export function* piecesOf(host: Host, { path, offsets }: BlankSource): Iterable<Buffer> {
  let start = 0
  for (const piece of readPieces(host, path)) {
    for (const offset of offsets) overlay(piece, offset - start, BLANK)
    start += piece.length
    yield piece
  }
}

/**
 * For the files of an object with these references. Throws OBJECT_INVALID for a file that is not what its entry says,
 * where it is looked into.
 */
export function blanker(
  host: Host,
  references: readonly StorePath[],
): (path: string, entry: FileEntry) => BlankFile {
  const places = new Map<Digest, number>(
    references.map((path, index) => [digestOfPath(path), index]),
  )
  const scanner = referenceScanner(places.keys())
  return (path, entry) => {
    const marks = references.length === 0 ? [] : marksIn(host, { path, entry, scanner, places })
    const offsets = [...(entry.self ?? []), ...marks.filter((_, index) => index % 2 === 0)]
    const source = { path, offsets }
    if (marks.length === 0) return { marks, hash: entry.hash, source }
    const hasher = blake3Stream()
    for (const piece of piecesOf(host, source)) {
      hasher.update(piece)
      release(piece)
    }
    return { marks, hash: hasher.hex(), source }
  }
}

function marksIn(
  host: Host,
  {
    path,
    entry,
    scanner,
    places,
  }: {
    path: string
    entry: FileEntry
    scanner: ReferenceScanner
    places: ReadonlyMap<Digest, number>
  },
): number[] {
  const marks: number[] = []
  const hasher = blake3Stream()
  let tail = Buffer.alloc(0)
  let offset = 0
  for (const piece of piecesOf(host, { path, offsets: entry.self ?? [] })) {
    hasher.update(piece)
    // A digest may begin in one piece and end in the next. One that was found in full is not found again.
    const bytes = tail.length === 0 ? piece : Buffer.concat([tail, piece])
    const start = offset - tail.length
    let free = 0
    scanner.scan(bytes, (digest, at) => {
      marks.push(start + at, places.get(digest) as number)
      free = at + DIGEST_LENGTH
    })
    offset += piece.length
    tail = Buffer.from(bytes.subarray(Math.max(free, bytes.length - DIGEST_LENGTH + 1)))
  }
  requireSame(path, entry.hash, hasher.hex())
  return marks
}

/** Nothing damaged is passed on: it would be signed for. */
export function requireSame(path: string, expected: string, got: string): void {
  if (got === expected) return
  throw new MixosError(
    'OBJECT_INVALID',
    `${path} is damaged: expected b3:${expected}, got b3:${got}`,
    {
      hint: 'delete what is damaged with: mixos verify --drop; then realize it again',
    },
  )
}

/** Copies `text` to `at`, which may lie partly or wholly outside of the bytes. */
export function overlay(bytes: Uint8Array, at: number, text: Uint8Array): void {
  if (at + text.length <= 0 || at >= bytes.length) return
  const from = Math.max(0, -at)
  bytes.set(text.subarray(from, Math.min(text.length, bytes.length - at)), at + from)
}

function* readPieces(host: Host, path: string): Iterable<Buffer> {
  const { files } = host
  const fd = files.open(path, 'read')
  try {
    const { size } = files.statOf(fd)
    for (let rest = size; rest > 0; ) {
      const piece = Buffer.allocUnsafe(Math.min(rest, FRAME_BYTES))
      let filled = 0
      while (filled < piece.length) {
        const read = files.readInto(fd, piece.subarray(filled))
        if (read === 0) throw new Error(`${path} became shorter while it was read`)
        filled += read
      }
      rest -= piece.length
      yield piece
    }
  } finally {
    files.close(fd)
  }
}
