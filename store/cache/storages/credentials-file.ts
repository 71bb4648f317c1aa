import { MixosError } from '../../../graph/error.ts'
import { reasonOf } from '../../disk/system-error.ts'
import type { Files } from '../../host.ts'

/** Undefined where there is no such file. Throws CACHE_DENIED for one that cannot be read: other caches may do without. */
export function credentialsIn(files: Pick<Files, 'read'>, path: string): string | undefined {
  try {
    return files.read(path)?.toString('utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    throw new MixosError('CACHE_DENIED', `cannot read the credentials: ${reasonOf(error)}`, {
      hint: `look who may read it, with: ls -ld ${path}`,
      cause: error,
    })
  }
}
