import { promisify } from 'node:util'
import { constants, zstdCompress, zstdCompressSync } from 'node:zlib'
import { slotsOf } from '../slots.ts'
import { PACK_BYTES } from './object-index.ts'
import { release } from './release.ts'

const compress = promisify(zstdCompress)
const OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 3 } }
// Each takes a megabyte or more for its tables.
const COMPRESSING = 4
// Compressing so few takes less than the way to another thread: 20 us of 190.
const QUICK_BYTES = 4 << 10
// Enough to keep the threads that compress busy while a pack is written.
const WAITING_BYTES = 8 << 20
const WRITING_PACKS = 2

/** Where a frame is going to be. */
export interface Packed {
  readonly size: number
  /** Settles when the frame's pack has been written. */
  readonly placed: Promise<{
    readonly pack: string
    readonly offset: number
    readonly length: number
  }>
}

/** Compresses frames, puts them into packs, and writes each pack when it is full. */
export interface Packer {
  /** Waits while too much is in memory. The bytes may not be used afterwards. */
  add(frame: Buffer): Promise<Packed>
  /** Writes what is left. */
  finish(): Promise<void>
}

interface Pack {
  readonly frames: Promise<Buffer>[]
  readonly written: PromiseWithResolvers<{
    readonly hash: string
    readonly offsets: number[]
    readonly lengths: number[]
  }>
  size: number
}

/**
 * `write` gets each pack, and gives the name that it has then. When it
 * fails, so does all that waits for the pack, and nothing more is taken.
 */
export function packerOf(write: (pack: Buffer) => Promise<string>): Packer {
  let open: Pack | undefined
  const underway = new Set<Promise<void>>()
  const slots = slotsOf(COMPRESSING)
  const compressing = new Set<Promise<Buffer>>()
  let waiting = 0
  let failure: { readonly error: unknown } | undefined

  const compressed = (bytes: Buffer): Promise<Buffer> => {
    const size = bytes.length
    waiting += size
    const frame =
      size < QUICK_BYTES
        ? Promise.resolve(zstdCompressSync(bytes, OPTIONS))
        : slots.run(0, () => compress(bytes, OPTIONS))
    compressing.add(frame)
    const done = (): void => {
      waiting -= size
      compressing.delete(frame)
      release(bytes)
    }
    frame.then(done, done)
    return frame
  }

  const close = async (pack: Pack): Promise<void> => {
    try {
      const frames = await Promise.all(pack.frames)
      const lengths = frames.map(frame => frame.length)
      const offsets: number[] = []
      let offset = 0
      for (const frame of frames) {
        offsets.push(offset)
        offset += frame.length
      }
      const bytes = Buffer.concat(frames)
      for (const frame of frames) release(frame)
      const hash = await write(bytes)
      pack.written.resolve({ hash, offsets, lengths })
    } catch (error) {
      failure ??= { error }
      pack.written.reject(error)
    }
  }
  const closeOpen = (): void => {
    if (!open) return
    const closing = close(open)
    open = undefined
    underway.add(closing)
    closing.then(() => underway.delete(closing))
  }

  return {
    add: async bytes => {
      while (underway.size >= WRITING_PACKS) await Promise.race(underway)
      while (waiting >= WAITING_BYTES) await Promise.race(compressing)
      if (failure) throw failure.error
      if (!open) {
        open = { frames: [], written: Promise.withResolvers(), size: 0 }
        // Whoever waits for a frame hears of a failure, and perhaps nobody does.
        open.written.promise.catch(() => undefined)
      }
      const pack = open
      const index = pack.frames.length
      const size = bytes.length
      const frame = compressed(bytes)
      pack.frames.push(frame)
      pack.size += size
      if (pack.size >= PACK_BYTES) closeOpen()
      const placed = pack.written.promise.then(({ hash, offsets, lengths }) => ({
        pack: hash,
        offset: offsets[index] as number,
        length: lengths[index] as number,
      }))
      placed.catch(() => undefined)
      return { size, placed }
    },
    finish: async () => {
      if (failure) open?.written.reject(failure.error)
      else closeOpen()
      await Promise.all(underway)
    },
  }
}

/** A frame of zstd that stands for nothing. */
export function skippedFrame(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(0x184d2a50, 0)
  head.writeUInt32LE(bytes.length, 4)
  return Buffer.concat([head, bytes])
}
