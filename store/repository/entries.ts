import { join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { checkPackageInfo, type PackageEntry } from '../../graph/package-index.ts'
import {
  PACKAGES,
  type PackageInfo,
  packageInfoPath,
  parseJson,
  parsePackageInfo,
} from '../../graph/package-info.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { readIndex } from '../cache/index-reader.ts'
import type { CacheStorage } from '../cache/storage.ts'
import { headOf, objectClosure, recordOf } from '../object-closure.ts'
import type { Store } from '../store.ts'

/** What a package's object says of itself. Throws PACKAGE_INVALID for an object that is no package. */
export function packageInfoOf(store: Store, path: StorePath): PackageInfo {
  const directory = `${PACKAGES}/`
  const entries = recordOf(store, path).manifest.entries
  const found = entries.filter(entry => entry.path.startsWith(directory) && entry.type === 'file')
  const [only] = found
  if (!only || found.length > 1) {
    const what = only ? `${found.length} descriptions` : 'no description'
    throw new MixosError(
      'PACKAGE_INVALID',
      `${path} is no package: it has ${what} in ${directory}`,
      {
        hint: 'make it with targetPackage(), which writes one',
      },
    )
  }
  const source = `${path}/${only.path}`
  const text = store.host.files.read(join(store.hostPath(path), only.path))?.toString() ?? ''
  const info = checkPackageInfo(parsePackageInfo(parseJson(text, source), source), source)
  if (packageInfoPath(info.name) !== only.path)
    throw new MixosError('PACKAGE_INVALID', `${source}: name is ${JSON.stringify(info.name)}`)
  const regular = new Set(entries.flatMap(entry => (entry.type === 'file' ? [entry.path] : [])))
  const config = info.config.find(name => !regular.has(`etc/${name}`))
  if (config === undefined) return info
  throw new MixosError(
    'PACKAGE_INVALID',
    `${source}: config has ${config}, and there is no file etc/${config}`,
  )
}

/** Describes packages whose closures the storage has. */
export async function entriesOf(
  store: Store,
  storage: CacheStorage,
  { packages, signal }: { packages: readonly StorePath[]; signal: AbortSignal },
): Promise<PackageEntry[]> {
  const downloads = new Map<StorePath, number>()
  const downloadOf = async (path: StorePath): Promise<number> => {
    const known = downloads.get(path)
    if (known !== undefined) return known
    const { frames } = await readIndex(storage, path, signal)
    const size = frames.reduce((sum, { length }) => sum + length, 0)
    downloads.set(path, size)
    return size
  }
  const entries: PackageEntry[] = []
  for (const path of packages) {
    const closure = [...objectClosure(store, [path])].sort()
    const sizes = closure.map(member => headOf(store, member).size)
    const downloads: number[] = []
    for (const member of closure) downloads.push(await downloadOf(member))
    const { hash } = headOf(store, path)
    const info = packageInfoOf(store, path)
    entries.push({ ...info, path, hash, closure, sizes, downloads })
  }
  return entries
}
