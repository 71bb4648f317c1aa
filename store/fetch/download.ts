import type { Hash } from 'node:crypto'
import { MixosError } from '../../graph/error.ts'
import { isDiskFull } from '../disk/system-error.ts'
import type { Host } from '../host.ts'
import type { Target } from './fetcher.ts'

type Sha256 = `sha256:${string}`

/** A file that grows by fetching, hashed as it grows. */
export interface Download extends Target, Disposable {
  /** Of all bytes held. */
  hash(): Sha256
}

export interface DownloadOptions {
  readonly path: string
  /** Undefined where it is not known beforehand. */
  readonly size: number | undefined
  /** The most that is written where the size is not known; more than any source by default. */
  readonly limit?: number
}

const MAX_SIZE = 8 * 2 ** 30
const CHUNK = 1 << 20

/**
 * Opens a download at `path`, which may hold the beginning of the file: it is read and hashed, and
 * growth goes on behind it. One writer at a time. Nothing is synced.
 */
export async function openDownload(
  host: Host,
  { path, size, limit = size ?? MAX_SIZE }: DownloadOptions,
): Promise<Download> {
  // Loaded when first used, like the network.
  const { createHash } = await import('node:crypto')
  const held = heldBytes(host, path, limit)
  const fd = host.files.open(path, held === undefined ? 'create' : 'write')
  let sha256 = createHash('sha256')
  let position = 0
  try {
    if (held !== undefined) position = hashFile(host, path, sha256)
  } catch (error) {
    host.files.close(fd)
    throw error
  }
  return {
    size,
    get position() {
      return position
    },
    write(chunk) {
      if (position + chunk.length > limit) {
        throw new MixosError('HASH_MISMATCH', `it has more than ${limit} bytes`)
      }
      writeChunk(host, fd, chunk, { path, position })
      sha256.update(chunk)
      position += chunk.length
    },
    restart() {
      // What lies beyond is overwritten: a download counts only when it has its full size.
      sha256 = createHash('sha256')
      position = 0
    },
    hash: () => `sha256:${sha256.copy().digest('hex')}`,
    [Symbol.dispose]: () => host.files.close(fd),
  }
}

/** The size of what an earlier run left, if it can be a beginning of the file. */
function heldBytes(host: Host, path: string, limit: number): number | undefined {
  const stats = host.files.lstat(path)
  if (!stats) return undefined
  if (stats.isFile() && stats.nlink === 1 && stats.size <= limit) return stats.size
  host.files.unlink(path)
  return undefined
}

function hashFile(host: Host, path: string, sha256: Hash): number {
  const fd = host.files.open(path, 'read')
  try {
    const buffer = Buffer.allocUnsafe(CHUNK)
    let total = 0
    for (;;) {
      const length = host.files.readInto(fd, buffer)
      if (length === 0) return total
      sha256.update(buffer.subarray(0, length))
      total += length
    }
  } finally {
    host.files.close(fd)
  }
}

function writeChunk(
  host: Host,
  fd: number,
  chunk: Uint8Array,
  { path, position }: { path: string; position: number },
): void {
  try {
    host.files.writeAt(fd, chunk, position)
  } catch (error) {
    if (!isDiskFull(error)) throw error
    throw new MixosError('DISK_FULL', `no space left while fetching to ${path}`, {
      cause: error,
    })
  }
}
