import { compareVersions } from '../../graph/version.ts'

/** Of each name, the newest version. */
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
