import { isHash } from '../../../graph/json.ts'
import { stanzas } from './control.ts'
import { parseRelations, type Relation } from './relation.ts'
import { compareVersions } from './version.ts'

/** A binary package, as an index lists it. */
export interface BinaryPackage {
  readonly name: string
  readonly version: string
  /** Below the archive's root. */
  readonly path: string
  readonly hash: `sha256:${string}`
  readonly size: number
  /** Its dependencies as the index writes them; read only for the few packages that are chosen. */
  readonly depends: string
  readonly provides: readonly Relation[]
  /** Lower is more wanted: what Debian installs everywhere is 0. */
  readonly rank: number
}

export interface PackageIndex {
  /** The newest version of each package. */
  readonly byName: ReadonlyMap<string, BinaryPackage>
  /** Who provides a virtual package, the most wanted first. */
  readonly providers: ReadonlyMap<string, readonly BinaryPackage[]>
}

const FIELDS = [
  'Package',
  'Version',
  'Depends',
  'Pre-Depends',
  'Provides',
  'Priority',
  'Filename',
  'SHA256',
  'Size',
]
const RANKS = ['required', 'important', 'standard', 'optional', 'extra']

/** Reads a `Packages` file. Throws Error, naming the package, for an entry that cannot be used. */
export function parsePackages(text: string): PackageIndex {
  const newest = new Map<string, Record<string, string>>()
  for (const stanza of stanzas(text, FIELDS)) {
    const { Package: name, Version: version } = stanza
    if (!name || !version) throw new Error('it holds a package without a name or a version')
    const other = newest.get(name)?.Version
    if (other === undefined || compareVersions(version, other) > 0) newest.set(name, stanza)
  }
  const byName = new Map([...newest].map(([name, stanza]) => [name, packageOf(name, stanza)]))
  const providers = new Map<string, BinaryPackage[]>()
  for (const binary of byName.values()) {
    for (const { name } of binary.provides) {
      providers.set(name, [...(providers.get(name) ?? []), binary])
    }
  }
  for (const candidates of providers.values()) candidates.sort(byWish)
  return { byName, providers }
}

function packageOf(name: string, stanza: Record<string, string>): BinaryPackage {
  const { Version: version = '', Filename: path = '', SHA256: hash = '', Size: size = '' } = stanza
  if (!isHash(hash) || !/^\d+$/.test(size) || !isPoolPath(path)) {
    throw new Error(`its entry of ${name} has no valid Filename, SHA256 and Size`)
  }
  return {
    name,
    version,
    path,
    hash: `sha256:${hash}`,
    size: Number(size),
    depends: [stanza['Pre-Depends'], stanza.Depends].filter(Boolean).join(', '),
    provides: parseRelations(stanza.Provides ?? '').flat(),
    rank: RANKS.indexOf(stanza.Priority ?? 'extra'),
  }
}

/** A path that stays below the archive's root, and that needs no quoting in a URL. */
export function isPoolPath(path: string): boolean {
  return /^pool(\/[a-zA-Z0-9+._~:-]+)+$/.test(path) && !path.split('/').includes('..')
}

function byWish(a: BinaryPackage, b: BinaryPackage): number {
  return a.rank - b.rank || (a.name < b.name ? -1 : 1)
}
