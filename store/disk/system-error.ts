import { MixosError } from '../../graph/error.ts'

/** True for an error of the file system that says that nothing more fits: on the disk, or into a quota. */
export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** True for an error of the file system that says that this user may not do it. */
export function isForbidden(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EACCES' || code === 'EPERM'
}

/** What the file system refused, as something that a user can act on; undefined for any other error. */
export function asFileError(error: unknown): MixosError | undefined {
  const { code = '', path } = error as NodeJS.ErrnoException
  const hint = HINTS[code]
  if (hint === undefined || path === undefined) return undefined
  return new MixosError('FILE_UNAVAILABLE', reasonOf(error), { hint })
}

/** Gives an error, where the file was known by its number alone, the file's name. */
export function naming<T>(path: string | undefined, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw named(error, path)
  }
}

export function named(error: unknown, path: string | undefined): unknown {
  return path === undefined ? error : Object.assign(error as NodeJS.ErrnoException, { path })
}

/** The operating system's own words, without its code: `permission denied, open '/etc/shadow'`. */
export function reasonOf(error: unknown): string {
  const { message, path } = error as NodeJS.ErrnoException
  const words = message.replace(/^E[A-Z0-9]+: /, '')
  return path === undefined || words.includes(path) ? words : `${words} '${path}'`
}

const OWNER = 'look who may do that, with: ls -ld'
export const DAMAGED =
  'the disk cannot read or write that: look at the messages of the kernel with: dmesg'
const OTHER = 'something else is in its place: move it away, or name another path'
// Only what is wrong with the user's disk or path. A file that is missing where we have made it is a bug of ours.
const HINTS: Readonly<Record<string, string>> = {
  EACCES: OWNER,
  EPERM: OWNER,
  EROFS: 'that disk is mounted read-only: name a path on another one',
  ENOTDIR: OTHER,
  EISDIR: OTHER,
  EEXIST: OTHER,
  ELOOP: 'a symlink leads back to itself, or stands where none may: remove it',
  ENAMETOOLONG: 'name a shorter path',
  EIO: DAMAGED,
  // How file systems say that their own records are damaged; for EUCLEAN, Node has no name.
  EBADMSG: DAMAGED,
  'Unknown system error -117': DAMAGED,
}
