import { fileURLToPath } from 'node:url'
import { MixosError } from '../../graph/error.ts'
import { breaksOf } from '../breaks.ts'
import type { Host } from '../host.ts'
import type { Fetcher } from './fetcher.ts'

const CHUNK = 1 << 20

/** Fetches `file:` URLs: a mirror on a disk or a network file system. */
export function fileFetcher(host: Host): Fetcher {
  return {
    async fetch(url, target, { signal, onProgress }) {
      const path = pathOf(url)
      const stats = host.files.lstat(path)
      if (!stats) throw new MixosError('FETCH_FAILED', 'there is no such file')
      // Only a regular file is opened: opening a fifo would wait for ever.
      if (!stats.isFile()) throw new MixosError('FETCH_FAILED', 'it is not a regular file')
      if (target.size !== undefined && stats.size !== target.size) {
        throw new MixosError('HASH_MISMATCH', `it has ${stats.size} bytes, not ${target.size}`)
      }
      target.restart()
      const fd = host.files.open(path, 'read')
      try {
        const buffer = Buffer.allocUnsafe(CHUNK)
        const breaks = breaksOf(host)
        for (;;) {
          if (breaks.isDue()) await breaks.take()
          signal.throwIfAborted()
          const length = host.files.readInto(fd, buffer)
          if (length === 0) return
          target.write(buffer.subarray(0, length))
          onProgress(target.position)
        }
      } finally {
        host.files.close(fd)
      }
    },
  }
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new MixosError('FETCH_FAILED', 'it names no path of this machine', { cause: error })
  }
}
