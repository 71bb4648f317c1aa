import { MixosError } from '../graph/error.ts'
import type { Host } from './host.ts'
import type { Layout } from './layout.ts'
import { asStoreError, readOnly } from './store-error.ts'

const VERSION = '1\n'

/**
 * Makes a store of the directory, if it is missing or empty; completes
 * one of which directories are missing. Throws as openStore.
 */
export function makeLayout(host: Host, layout: Layout): void {
  const { files } = host
  const { directory } = layout
  const version = readVersion(host, layout)
  const isWhole = directoriesOf(layout).every(path => files.lstat(path))
  if (version === VERSION && isWhole) return
  // Empty: the power went before the bytes of a new store's version were on disk.
  if (version && version !== VERSION) {
    throw new MixosError(
      'STORE_FOREIGN',
      `${directory} is a store of version ${version.trim()}, this program reads version ${VERSION.trim()}`,
    )
  }
  try {
    files.makeDirectory(directory)
    const foreign = files.list(directory).find(name => !LAYOUT.has(name))
    if (foreign !== undefined) {
      throw new MixosError('STORE_FOREIGN', `${directory} is not a store: it holds ${foreign}`)
    }
    // Some may be gone: a backup without empty directories, or logs that somebody deleted.
    for (const path of directoriesOf(layout)) files.makeDirectory(path)
    // Whatever the umask is: builds of root's run as another user. And without the setgid bit that a directory of a
    // group's gives to what is made in it: it would go on to what builders leave.
    for (const path of [layout.objects, layout.scratch]) files.changeMode(path, 0o755)
    // Written last: its presence says that all the others are there.
    const temp = `${layout.scratch}/${host.randomHex(20)}`
    files.writeNew(temp, VERSION)
    files.rename(temp, layout.version)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') throw readOnly(error, directory)
    throw asStoreError(error, directory)
  }
}

const directoriesOf = (layout: Layout): string[] => [
  layout.objects,
  layout.records,
  layout.traces,
  layout.roots,
  layout.profiles,
  layout.logs,
  layout.scratch,
]

function readVersion(host: Host, { directory, version }: Layout): string | undefined {
  try {
    return host.files.read(version)?.toString()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') {
      throw new MixosError('STORE_FOREIGN', `${directory} is not a directory`, { cause: error })
    }
    throw asStoreError(error, directory)
  }
}

const LAYOUT = new Set(['version', 'store', 'db', 'roots', 'profiles', 'log', 'tmp', 'lock'])
