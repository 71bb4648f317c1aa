import type { StorePath } from '../../graph/store-path.ts'
import { compareVersions } from '../../graph/version.ts'

/** True where an upgrade takes the offer: a newer version, or another build of the same one. */
export function isUpgrade(installed: Build, offer: Build): boolean {
  return offer.path !== installed.path && compareVersions(installed.version, offer.version) <= 0
}

interface Build {
  readonly version: string
  readonly path: StorePath
}

/** Of each name, the newest version; of several builds of it, the first. */
export function newestOf<T extends { readonly name: string; readonly version: string }>(
  packages: readonly T[],
): Map<string, T> {
  const newest = new Map<string, T>()
  for (const one of packages) {
    const known = newest.get(one.name)
    if (!known || compareVersions(known.version, one.version) < 0) newest.set(one.name, one)
  }
  return newest
}
