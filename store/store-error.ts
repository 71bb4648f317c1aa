import { MixosError } from '../graph/error.ts'
import { asFileError, isDiskFull } from './disk/system-error.ts'

/**
 * An error of the operating system as one that names the store; any other error as it is. The way out depends on the
 * program, which knows a hint for these codes.
 */
export function asStoreError(error: unknown, directory: string): unknown {
  if (isDiskFull(error)) {
    return new MixosError('DISK_FULL', `the disk that holds ${directory} is full`, {
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
      hint: 'mount that disk without noexec',
      cause: error,
    })
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return readOnly(error, directory)
  return error
}

/** STORE_READ_ONLY. */
export function readOnly(cause: unknown, directory: string): MixosError {
  return new MixosError('STORE_READ_ONLY', `cannot write to ${directory}`, { cause })
}
