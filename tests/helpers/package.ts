import { formatPackageInfo, type PackageInfo, packageInfoPath } from '../../graph/package-info.ts'
import type { StorePath } from '../../graph/store-path.ts'
import type { Store } from '../../store/store.ts'
import { addTree, type Tree } from './temp-store.ts'

export function infoOf(name: string, info: Partial<PackageInfo> = {}): PackageInfo {
  return {
    name,
    version: '1',
    description: `does what ${name} does`,
    license: 'MIT',
    homepage: 'https://example.org',
    dependencies: [],
    services: [],
    config: [],
    ...info,
  }
}

interface Contents extends Partial<PackageInfo> {
  readonly tree?: Tree
  readonly references?: readonly StorePath[]
}

/** A package's object: files by path, and what it says of itself. */
export function addPackage(
  store: Store,
  name: string,
  { tree, references = [], ...info }: Contents = {},
): Promise<StorePath> {
  const described = { ...tree, [packageInfoPath(name)]: formatPackageInfo(infoOf(name, info)) }
  return addTree(store, name, { tree: described, references })
}
