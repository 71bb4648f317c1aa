import { MixosError } from '../../../graph/error.ts'
import type { Host } from '../../host.ts'
import { checkInfo } from '../info.ts'
import type { CacheStorage } from '../storage.ts'
import { CACHE_PARTS, refuseForeign } from '../storages/directory-writer.ts'

/**
 * Throws FILE_UNAVAILABLE for what is no directory, or has a part that nobody would be served from, and CACHE_FOREIGN for the
 * directory of something else: a push to the server would end there, after all that it has sent. One that is to be
 * written to may be missing.
 */
export async function checkDirectory(
  host: Host,
  directory: string,
  {
    storage,
    isWritable,
    signal,
  }: { storage: CacheStorage; isWritable: boolean; signal: AbortSignal },
): Promise<void> {
  const { files } = host
  try {
    const stats = files.lstat(`${directory}/.`)
    if (!stats?.isDirectory()) return refuseOther(host, directory, { isWritable })
    for (const part of CACHE_PARTS) refuseLink(host, `${directory}/${part}`)
    if (!(await checkInfo(storage, signal))) refuseForeign(host, directory)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof MixosError || code === undefined) throw error
    throw new MixosError('FILE_UNAVAILABLE', `${directory} cannot be read: ${code}`, {
      cause: error,
    })
  }
}

function refuseOther(
  { files }: Host,
  directory: string,
  { isWritable }: { isWritable: boolean },
): void {
  const isThere = files.lstat(directory) !== undefined
  if (!isThere && isWritable) return
  const what = isThere ? 'is not a directory' : 'is not there'
  throw new MixosError('FILE_UNAVAILABLE', `${directory} ${what}`, {
    hint: 'name the directory of a cache, or make one with: mixos cache push',
  })
}

function refuseLink({ files }: Host, path: string): void {
  if (!files.lstat(path)?.isSymbolicLink()) return
  throw new MixosError('FILE_UNAVAILABLE', `${path} is a symlink, which is not followed`, {
    hint: 'a cache on another disk is linked to as a whole; a part of it is mounted there: mount --bind',
  })
}
