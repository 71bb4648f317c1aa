import type { Report } from '../event.ts'
import type { Host } from '../host.ts'
import { reasonOf } from './system-error.ts'

/**
 * Deletes a tree, or nothing where there is nothing. Symlinks are removed, never followed. The tree must
 * lie in a directory that no build can write to, so nobody can swap a directory for a symlink meanwhile.
 */
export function removeTree(host: Host, path: string): void {
  try {
    removeNamed(host, path)
  } catch (error) {
    // A builder may leave names that are not UTF-8, and nest deeper than any path is long.
    const { code = '' } = error as NodeJS.ErrnoException
    if (!['ENOTEMPTY', 'ENAMETOOLONG'].includes(code)) throw error
    host.files.removeAll(path)
  }
}

/** The same for what nobody needs any more: that it cannot be deleted is a warning. */
export function discardTree(host: Host, path: string, report: Report): void {
  try {
    removeTree(host, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    const message = `${path} could not be deleted: ${reasonOf(error)}`
    report({ type: 'warning', message, hint: 'the command gc tries it again' })
  }
}

function removeNamed(host: Host, path: string): void {
  const { files } = host
  const stats = files.lstat(path)
  if (!stats) return
  if (!stats.isDirectory()) {
    files.unlink(path)
    return
  }
  // Objects are read-only, also their directories.
  files.changeMode(path, 0o700)
  for (const name of files.list(path)) removeNamed(host, `${path}/${name}`)
  files.removeDirectory(path)
}
