import { dirname } from 'node:path'
import { MixosError } from '../../../graph/error.ts'
import { isDiskFull } from '../../disk/system-error.ts'
import { flush } from '../../disk/write.ts'
import type { Host } from '../../host.ts'
import { INFO_PATH } from '../layout.ts'

/** Where files are written before they get their names. */
export const SCRATCH = 'tmp'
/** In milliseconds. No write takes that long, so what is older was left by a process that died. */
const ABANDONED = 24 * 3_600_000

/** The half of a directory storage that changes it. Paths were checked. */
export interface DirectoryWriter {
  /**
   * Temp file → fsync → rename → fsync of the directory, and of those above that were made for it. A crash
   * leaves the old file, the new file, or a temp file that a later writer deletes.
   */
  write(path: string, data: Uint8Array): Promise<void>
  /** Not synced: what comes back after a crash is removed again by the next collection. */
  remove(path: string): void
}

export function directoryWriter(host: Host, directory: string): DirectoryWriter {
  const { files } = host
  const scratch = `${directory}/${SCRATCH}`
  // Those known to be on disk, or about to be.
  const made = new Map<string, Promise<void>>()
  let mode = 0o777
  let isThere = false

  return {
    write: async (path, data) => {
      const at = `${directory}/${path}`
      const temp = `${scratch}/${host.randomHex(20)}`
      try {
        await ready()
        await makeBelow(dirname(at))
        try {
          files.writeNew(temp, data, mode & 0o666)
          await flush(host, [temp])
          files.rename(temp, at)
        } catch (error) {
          files.unlink(temp)
          throw error
        }
        await flush(host, [dirname(at)])
      } catch (error) {
        // Somebody may have deleted the directories since; the next write looks again.
        made.clear()
        throw refusal(error, at, isThere ? directory : undefined)
      }
    },
    remove: path => {
      const at = `${directory}/${path}`
      try {
        files.unlink(at)
      } catch (error) {
        throw refusal(error, at, directory)
      }
    },
  }

  function ready(): Promise<void> {
    return once(directory, async () => {
      const isNew = files.lstat(`${directory}/.`) === undefined
      if (isNew) files.makeDirectory(directory, 0o777)
      else refuseForeign(host, directory)
      isThere = true
      // What a team shares stays shared: what is made here may be written by whom the directory may.
      mode = (files.lstat(`${directory}/.`)?.mode ?? 0o755) & 0o3777
      if (isNew) await flush(host, [dirname(directory)])
      await makeBelow(scratch)
      sweep()
    })
  }

  async function makeBelow(path: string): Promise<void> {
    if (path === directory) return
    await makeBelow(dirname(path))
    await once(path, async () => {
      const stats = files.lstat(path)
      if (stats && !stats.isDirectory()) {
        throw new MixosError('CACHE_INVALID', `${path} is not a directory`)
      }
      if (!stats) {
        files.makeDirectory(path)
        // Another process may have been faster; then it sees to the mode.
        if (files.lstat(path)?.uid === host.processes.uid) files.changeMode(path, mode)
      }
      // Also where it was there: who made it may not have come to this.
      await flush(host, [dirname(path)])
    })
  }

  function once(path: string, make: () => Promise<void>): Promise<void> {
    const known = made.get(path) ?? make()
    made.set(path, known)
    return known
  }

  function sweep(): void {
    for (const name of files.list(scratch)) {
      const at = `${scratch}/${name}`
      const stats = files.lstat(at)
      const isOurs = stats?.uid === host.processes.uid
      if (isOurs && host.now() - stats.mtimeMs > ABANDONED) files.unlink(at)
    }
  }
}

/** The directories in one of a cache. */
export const CACHE_PARTS: ReadonlySet<string> = new Set(['object', 'pack', SCRATCH, 'trace', 'tuf'])

/** Throws CACHE_FOREIGN for what somebody keeps there, which is not a cache because an address was misspelled. */
export function refuseForeign({ files }: Host, directory: string): void {
  if (files.lstat(`${directory}/${INFO_PATH}`)) return
  // The first writer to a cache may have made its parts before it wrote what makes it one.
  const foreign = files
    .list(directory)
    .find(name => !CACHE_PARTS.has(name) && !name.startsWith('.') && name !== 'lost+found')
  if (foreign === undefined) return
  throw new MixosError('CACHE_FOREIGN', `${directory} is no cache: it holds ${foreign}`, {
    hint: 'name a cache, or a directory that is new or empty',
  })
}

function refusal(error: unknown, path: string, directory: string | undefined): unknown {
  const { code } = error as NodeJS.ErrnoException
  const because = { cause: error }
  if (error instanceof MixosError || code === undefined) return error
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new MixosError('CACHE_READ_ONLY', `may not write ${path}: ${code}`, {
      hint: code === 'EROFS' || directory === undefined ? undefined : sharingHint(directory),
      ...because,
    })
  }
  if (isDiskFull(error)) {
    return new MixosError('DISK_FULL', `no space left for ${path}`, {
      hint: 'free some space, for instance with: mixos cache gc',
      ...because,
    })
  }
  if (code === 'ENOTDIR' || code === 'EISDIR' || code === 'EEXIST') {
    return new MixosError(
      'CACHE_INVALID',
      `a file or a directory is in the way of ${path}`,
      because,
    )
  }
  return new MixosError('CACHE_UNAVAILABLE', `cannot write ${path}: ${code}`, because)
}

/** Also for one that is there already: who may write to its directories may replace its files. */
function sharingHint(directory: string): string {
  return `to share it with a group, its owner runs: find ${directory} -type d -exec chgrp GROUP {} + -exec chmod 2775 {} +`
}
