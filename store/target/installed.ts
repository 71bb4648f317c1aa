import { basename, join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import {
  PACKAGES,
  type PackageInfo,
  parseJson,
  parsePackageInfo,
} from '../../graph/package-info.ts'
import { parseStorePath, type StorePath } from '../../graph/store-path.ts'
import type { Store } from '../store.ts'
import { REQUESTED } from './profile-tree.ts'

export interface InstalledPackage extends PackageInfo {
  readonly path: StorePath
  /** Somebody asked for it by name; false for what came along because another package needs it. */
  readonly isRequested: boolean
}

/** The packages of a profile, by name. Throws PACKAGE_INVALID where a description cannot be read. */
export function installedIn(store: Store, profile: StorePath): InstalledPackage[] {
  const { files } = store.host
  const directory = join(store.hostPath(profile), PACKAGES)
  if (!files.lstat(directory)) return []
  const requested = new Set(
    files
      .read(join(store.hostPath(profile), REQUESTED))
      ?.toString()
      .split('\n'),
  )
  return files.list(directory).map(name => {
    const link = join(directory, name)
    const target = files.readLink(link)
    const path = parseStorePath(target.split('/')[3] ?? '')
    const text = path && files.read(join(store.hostPath(path), PACKAGES, name))
    if (!text) {
      throw new MixosError('PACKAGE_INVALID', `${link} leads to ${target}, which is not there`, {
        hint: 'look for damage with: mix verify',
      })
    }
    const info = parsePackageInfo(parseJson(text.toString(), link), link)
    if (`${info.name}.json` !== basename(link)) {
      throw new MixosError('PACKAGE_INVALID', `${link} describes the package ${info.name}`)
    }
    return { ...info, path, isRequested: requested.has(info.name) }
  })
}
