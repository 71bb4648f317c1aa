import { MixosError } from '../graph/error.ts'
import { asFileError, isDiskFull } from './system-error.ts'

/** An error of the operating system as one that names the store and what to do; any other error as it is. */
export function asStoreError(error: unknown, directory: string): unknown {
  if (isDiskFull(error)) {
    return new MixosError('DISK_FULL', `the disk that holds ${directory} is full`, {
      hint: 'free space with: mixos gc, or set MIXOS_HOME to a directory on a larger disk',
      cause: error,
    })
  }
  const { code, syscall, path } = error as NodeJS.ErrnoException
  // Of the user's other files, such as credentials.
  if (
    path?.startsWith('/') &&
    !syscall?.startsWith('spawn ') &&
    path !== directory &&
    !path.startsWith(`${directory}/`)
  )
    return asFileError(error) ?? error
  if (code === 'EACCES' && syscall?.startsWith('spawn ')) {
    return new MixosError('SANDBOX_UNAVAILABLE', `no program of ${directory} can be run`, {
      hint: 'mount that disk without noexec, or set MIXOS_HOME to a directory on another one',
      cause: error,
    })
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return readOnly(error, directory)
  return error
}

/** STORE_READ_ONLY. */
export function readOnly(cause: unknown, directory: string): MixosError {
  return new MixosError('STORE_READ_ONLY', `cannot write to ${directory}`, {
    hint: 'make it writable for this user, or set MIXOS_HOME to another directory',
    cause,
  })
}
