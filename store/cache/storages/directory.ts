import { MixosError } from '../../../graph/error.ts'
import type { Host } from '../../host.ts'
import {
  FileTooLarge,
  type ReadOptions,
  type StoredFile,
  type WritableStorage,
} from '../storage.ts'
import { directoryWriter, SCRATCH } from './directory-writer.ts'
import { checkPath, checkPrefix, isPath } from './path.ts'

/**
 * Files in a directory, also one that several machines share. A missing one reads as empty, and the first
 * write makes it. Symlinks in it are never followed. Safe between tasks and between processes.
 */
export function directoryStorage(host: Host, directory: string): WritableStorage {
  const { files } = host
  const writer = directoryWriter(host, directory)
  const isThere = parentsIn(host, directory)

  return {
    name: directory,
    read: async (path, options) => {
      check(path, options)
      return explained(path, () => {
        const fd = isFile(path) ? opened(path) : undefined
        if (fd === undefined) return undefined
        try {
          return contentOf(path, fd, options)
        } finally {
          files.close(fd)
        }
      })
    },
    has: async (path, options) => {
      check(path, options)
      return explained(path, () => isFile(path))
    },
    write: async (path, data, options) => {
      check(path, options)
      await writer.write(path, data)
    },
    list: async function* (prefix, { signal }) {
      checkPrefix(prefix)
      const parent = prefix.slice(0, prefix.lastIndexOf('/') + 1)
      if (!explained(prefix, () => isThere(parent))) return
      const found = filesIn(host, directory, { parent, prefix })
      for (;;) {
        signal.throwIfAborted()
        const next = explained(prefix, () => found.next())
        if (next.done) return
        yield next.value
      }
    },
    remove: async (path, options) => {
      check(path, options)
      if (explained(path, () => isThere(path))) writer.remove(path)
    },
    close: async () => undefined,
  }

  /** False where there is nothing. */
  function isFile(path: string): boolean {
    const stats = isThere(path) ? files.lstat(`${directory}/${path}`) : undefined
    // Only a regular file is opened: opening a fifo would wait for ever.
    if (stats && !stats.isFile()) throw invalid(path, 'is not a file')
    return stats !== undefined
  }

  /** Undefined where the file has gone meanwhile: others may be writing, and collecting. */
  function opened(path: string): number | undefined {
    try {
      return files.open(`${directory}/${path}`, 'read')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  function contentOf(path: string, fd: number, { limit, range }: ReadOptions): Uint8Array {
    // Of the file that was opened, since another may have its name by now.
    const { size } = files.statOf(fd)
    const { offset, length } = range ?? { offset: 0, length: size }
    if (length > limit)
      throw new FileTooLarge(`${directory}/${path} has ${length} bytes, not at most ${limit}`)
    if (offset + length > size) {
      throw invalid(path, `has ${size} bytes, not bytes ${offset} to ${offset + length}`)
    }
    const data = Buffer.allocUnsafe(length)
    for (let done = 0; done < length; ) {
      const count = files.readAt(fd, data.subarray(done), offset + done)
      if (count === 0) throw invalid(path, `ended at byte ${offset + done} of ${size}`)
      done += count
    }
    return data
  }

  function invalid(path: string, what: string): MixosError {
    return new MixosError('CACHE_INVALID', `${directory}/${path} ${what}`)
  }

  function explained<T>(path: string, action: () => T): T {
    try {
      return action()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (error instanceof MixosError || code === undefined) throw error
      const isDenied = code === 'EACCES' || code === 'EPERM'
      throw new MixosError(
        isDenied ? 'CACHE_DENIED' : 'CACHE_UNAVAILABLE',
        `${directory}/${path} ${isDenied ? 'may not' : 'cannot'} be read: ${code}`,
        { cause: error },
      )
    }
  }
}

/**
 * Tells whether the directories on the way to a path are there. Throws where one is no directory, above all
 * a symlink, which might lead out of the cache.
 */
function parentsIn({ files }: Host, directory: string): (path: string) => boolean {
  // Thousands of files are looked up in few directories.
  const known = new Set<string>()
  return path => {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      const parent = path.slice(0, end)
      if (known.has(parent)) continue
      const stats = files.lstat(`${directory}/${parent}`)
      if (!stats) return false
      if (!stats.isDirectory()) {
        throw new MixosError('CACHE_INVALID', `${directory}/${parent} is not a directory`)
      }
      known.add(parent)
    }
    return true
  }
}

/** Every file below that was there throughout, but for what is being written. */
function* filesIn(
  host: Host,
  directory: string,
  { parent, prefix }: { parent: string; prefix: string },
): Generator<StoredFile> {
  for (const name of namesIn(host, `${directory}/${parent}`)) {
    const path = parent + name
    // There may be names that are not of the cache, such as `.nfs0001` and `lost+found`.
    if (!path.startsWith(prefix) || path === SCRATCH || !isPath(path)) continue
    const stats = host.files.lstat(`${directory}/${path}`)
    if (stats?.isDirectory()) yield* filesIn(host, directory, { parent: `${path}/`, prefix })
    if (stats?.isFile()) yield { path, size: stats.size, modified: Math.floor(stats.mtimeMs) }
  }
}

function namesIn({ files }: Host, path: string): string[] {
  try {
    return files.list(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return []
  }
}

function check(path: string, { signal }: { readonly signal: AbortSignal }): void {
  signal.throwIfAborted()
  checkPath(path)
  if (!path.startsWith(`${SCRATCH}/`)) return
  throw new MixosError('CACHE_INVALID', `${path} is where a cache keeps what is being written`)
}
