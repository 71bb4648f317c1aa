import { isRecord } from '../../graph/json.ts'

interface Named {
  readonly name: string
  readonly version: string
}

/** What a change of the system does, each by name. */
export interface PackageChanges {
  readonly added: readonly Named[]
  readonly removed: readonly Named[]
  readonly replaced: readonly {
    readonly name: string
    readonly from: string
    readonly to: string
  }[]
}

type Packages = readonly (Named & { readonly path: string })[]

/** From what was installed to what is; another build of one version counts as another package. */
export function packageChanges(before: Packages, after: Packages): PackageChanges {
  const [old, now] = [byName(before), byName(after)]
  return {
    added: named(after.filter(({ name }) => !old.has(name))),
    removed: named(before.filter(({ name }) => !now.has(name))),
    replaced: sorted(after).flatMap(({ name, version, path }) => {
      const other = old.get(name)
      return other && other.path !== path ? [{ name, from: other.version, to: version }] : []
    }),
  }
}

const byName = (packages: Packages) => new Map(packages.map(one => [one.name, one]))
const sorted = <T extends Named>(packages: readonly T[]): T[] =>
  packages.toSorted((a, b) => (a.name < b.name ? -1 : 1))
const named = (packages: Packages): Named[] =>
  sorted(packages).map(({ name, version }) => ({ name, version }))

/** The changes that parsed JSON says; undefined for anything else. */
export function packageChangesIn(value: unknown): PackageChanges | undefined {
  if (!isRecord(value)) return undefined
  const { added, removed, replaced } = value
  const isWhole =
    areTexts(added, ['name', 'version']) &&
    areTexts(removed, ['name', 'version']) &&
    areTexts(replaced, ['name', 'from', 'to'])
  return isWhole ? ({ added, removed, replaced } as PackageChanges) : undefined
}

const areTexts = (list: unknown, fields: readonly string[]): boolean =>
  Array.isArray(list) &&
  list.every(one => isRecord(one) && fields.every(field => typeof one[field] === 'string'))
