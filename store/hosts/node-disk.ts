import { closeSync, constants, fstatSync, lstat, open, read, type Stats } from 'node:fs'
import { promisify } from 'node:util'
import type { Disk } from '../cache/serve/disk.ts'

// Opening a pipe without the last one would wait for a writer.
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const ABSENT = ['ENOENT', 'ENOTDIR', 'ELOOP']
/** Directories that are known to be none but directories, at most. */
const KNOWN = 10_000

const openLater = promisify(open)
const lstatLater = promisify(lstat)

/** The real disk, read in the threads that Node has for it. */
export function nodeDisk(): Disk {
  const known = new Set<string>()
  return {
    open: async (directory, path) => {
      const fd = await openLater(`${directory}/${path}`, FLAGS).catch(absentAsUndefined)
      if (fd === undefined) return undefined
      try {
        // Of an open file, this is known without the disk.
        const stats = fstatSync(fd)
        if (stats.isFile() && (await areDirectories(directory, path))) return fileOf(fd, stats)
      } catch (error) {
        closeSync(fd)
        throw error
      }
      closeSync(fd)
      return undefined
    },
  }

  /** Those on the way are looked at after the file was found: most that are asked for are not there. */
  async function areDirectories(directory: string, path: string): Promise<boolean> {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      const parent = `${directory}/${path.slice(0, end)}`
      if (known.has(parent)) continue
      const stats = await lstatLater(parent).catch(absentAsUndefined)
      if (!stats?.isDirectory()) return false
      if (known.size === KNOWN) known.clear()
      known.add(parent)
    }
    return true
  }
}

function fileOf(fd: number, stats: Stats): Awaited<ReturnType<Disk['open']>> {
  const { size, mtimeMs, ino } = stats
  return {
    size,
    version: [size, Math.floor(mtimeMs * 1000), ino].map(part => part.toString(36)).join('-'),
    read: (buffer, position) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      read(fd, buffer, 0, buffer.length, position, (error, count) => {
        if (error) reject(error)
        else resolve(count)
      })
      return promise
    },
    close: () => closeSync(fd),
  }
}

function absentAsUndefined(error: NodeJS.ErrnoException): undefined {
  if (!ABSENT.includes(error.code ?? '')) throw error
}
