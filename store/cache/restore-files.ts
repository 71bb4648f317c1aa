import { constants, zstdDecompressSync } from 'node:zlib'
import { blake3Hex, blake3Stream } from '../../graph/blake3.ts'
import { MixosError } from '../../graph/error.ts'
import type { StorePath } from '../../graph/store-path.ts'
import type { Host } from '../host.ts'
import { type BlankSource, overlay, piecesOf } from './blank.ts'
import { FRAME_BYTES, parseIndex } from './object-index.ts'
import { release, SLACK } from './release.ts'

/** Part of the work of restoring an object: plain data, so that a thread of its own can do it. */
export type Task =
  | {
      readonly type: 'frames'
      /** The compressed frames, and perhaps others between them. */
      readonly bytes: Uint8Array
      readonly frames: readonly CompressedFrame[]
      readonly selfDigest: string
    }
  | { readonly type: 'local'; readonly files: readonly LocalFile[]; readonly selfDigest: string }
  | { readonly type: 'large'; readonly file: RestoredFile; readonly selfDigest: string }
  /** To be looked at before this thread parses it too. */
  | { readonly type: 'index'; readonly bytes: Uint8Array; readonly path: StorePath }

export interface CompressedFrame {
  /** Where it is, and how many bytes it takes. */
  readonly offset: number
  readonly length: number
  /** Bytes when decompressed. */
  readonly size: number
  /** Small files that lie in it. */
  readonly files: readonly (RestoredFile & { readonly at: number })[]
  /** Large files that it is a part of, which exist already. */
  readonly parts: readonly { readonly target: string; readonly position: number }[]
}

/** A file whose bytes are in another object here. */
export interface LocalFile {
  readonly file: RestoredFile
  readonly source: BlankSource
}

export interface RestoredFile {
  /** Where it goes on this machine. */
  readonly target: string
  readonly size: number
  readonly executable: boolean
  /** BLAKE3 of its bytes, the object's own digest blank. */
  readonly hash: string
  /** Where the object's own digest goes. */
  readonly self: readonly number[]
  /** Where digests of other objects go, and which. */
  readonly marks: readonly { readonly offset: number; readonly digest: string }[]
}

/** What a cache gave is not what its index says, or what its path says. */
export class CorruptFrame extends Error {}

/** Throws CorruptFrame where the bytes are not the wanted ones; what it wrote is then to be thrown away. */
export function perform(host: Host, task: Task): void {
  switch (task.type) {
    case 'frames':
      for (const frame of task.frames) {
        const bytes = decompress(task.bytes, frame)
        writeFrame(host, frame, { bytes, selfDigest: task.selfDigest })
        release(bytes)
      }
      return
    case 'local':
      for (const local of task.files) copyLocal(host, local, task.selfDigest)
      return
    case 'large':
      finishLarge(host, task.file, task.selfDigest)
      return
    case 'index':
      checkIndex(task.bytes, task.path)
  }
}

function checkIndex(bytes: Uint8Array, path: StorePath): void {
  try {
    parseIndex(bytes, path, 'the index')
  } catch (error) {
    if (error instanceof MixosError) throw new CorruptFrame(error.message)
    throw error
  }
}

function writeFrame(
  host: Host,
  frame: CompressedFrame,
  { bytes, selfDigest }: { bytes: Buffer; selfDigest: string },
): void {
  for (const file of frame.files) {
    const part = bytes.subarray(file.at, file.at + file.size)
    // Where digests are filled in, in a copy: two files of one object may share the bytes.
    const isFilled = file.marks.length + file.self.length > 0
    writeSmall(host, { file, bytes: isFilled ? Buffer.from(part) : part, selfDigest })
  }
  for (const { target, position } of frame.parts) {
    const fd = host.files.open(target, 'write')
    try {
      host.files.writeAt(fd, bytes, position)
    } finally {
      host.files.close(fd)
    }
  }
}

function copyLocal(host: Host, { file, source }: LocalFile, selfDigest: string): void {
  const pieces = piecesOf(host, source)
  if (file.size <= FRAME_BYTES) {
    const [bytes = Buffer.alloc(0)] = pieces
    writeSmall(host, { file, bytes, selfDigest })
    release(bytes)
    return
  }
  const fd = host.files.open(file.target, 'create')
  try {
    for (const piece of pieces) {
      host.files.writeFrom(fd, piece)
      release(piece)
    }
  } finally {
    host.files.close(fd)
  }
  finishLarge(host, file, selfDigest)
}

function decompress(all: Uint8Array, { offset, length, size }: CompressedFrame): Buffer {
  let bytes: Buffer
  try {
    bytes = zstdDecompressSync(all.subarray(offset, offset + length), {
      maxOutputLength: size,
      // One chunk for all of it, or it is put together from many.
      chunkSize: Math.max(size + SLACK, 64),
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
    })
  } catch (error) {
    throw new CorruptFrame(`a frame cannot be decompressed: ${(error as Error).message}`)
  }
  if (bytes.length === size) return bytes
  throw new CorruptFrame(`a frame has ${bytes.length} bytes, the index says ${size}`)
}
// No frame is larger than 1 MiB, so a window of more is an attempt to use up our memory.
const WINDOW_LOG = 21

interface Small {
  readonly file: RestoredFile
  /** With blanks; used up. */
  readonly bytes: Buffer
  readonly selfDigest: string
}

/** Fills in the digests, and writes the file only if it is then the wanted one. */
export function writeSmall(host: Host, { file, bytes, selfDigest }: Small): void {
  for (const { offset, digest } of file.marks) overlay(bytes, offset, Buffer.from(digest))
  if (blake3Hex(bytes) !== file.hash)
    throw new CorruptFrame(`the bytes of ${file.target} are not those of its object`)
  const own = Buffer.from(selfDigest)
  for (const offset of file.self) overlay(bytes, offset, own)
  const fd = host.files.open(file.target, 'create')
  try {
    host.files.writeFrom(fd, bytes)
    host.files.seal(fd, file.executable)
  } finally {
    host.files.close(fd)
  }
}

/** All parts of it were written: fills in the digests of others, compares, and then fills in the object's own. */
function finishLarge(host: Host, file: RestoredFile, selfDigest: string): void {
  const { files } = host
  const fd = files.open(file.target, 'read-write')
  try {
    for (const { offset, digest } of file.marks) files.writeAt(fd, Buffer.from(digest), offset)
    const hasher = blake3Stream()
    const buffer = Buffer.allocUnsafe(1 << 20)
    for (let read = files.readInto(fd, buffer); read > 0; read = files.readInto(fd, buffer)) {
      hasher.update(buffer.subarray(0, read))
    }
    if (hasher.hex() !== file.hash)
      throw new CorruptFrame(`the bytes of ${file.target} are not those of its object`)
    for (const offset of file.self) files.writeAt(fd, Buffer.from(selfDigest), offset)
    files.seal(fd, file.executable)
  } finally {
    files.close(fd)
  }
}
