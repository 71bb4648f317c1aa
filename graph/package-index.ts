import { MixosError } from './error.ts'
import { isCount, isHash, isRecord } from './json.ts'
import { invalid, type PackageInfo, parseJson, parsePackageInfo } from './package-info.ts'
import {
  isName,
  type ObjectHash,
  parseStorePath,
  type StorePath,
  storePathOf,
} from './store-path.ts'

/** A package that a repository offers: what it says of itself, and the object that it is. */
export interface PackageEntry extends PackageInfo {
  readonly path: StorePath
  readonly hash: ObjectHash
  /** The object and all that it refers to, sorted. */
  readonly closure: readonly StorePath[]
  /** Bytes of the files of each object of the closure. */
  readonly sizes: readonly number[]
  /** Bytes that fetching each of them takes where no other version of it is present. */
  readonly downloads: readonly number[]
}

/** What a repository offers; several versions of a package may be in it. */
export interface PackageIndex {
  /** Sorted by name, then by version as text. */
  readonly packages: readonly PackageEntry[]
}

/** Part of what is hashed of a step that writes an index, whose code is not: it grows when the text below changes. */
export const PACKAGE_INDEX_FORMAT = '2'

/** One line for each package, so that two indexes can be compared by eye. */
export function formatPackageIndex({ packages }: PackageIndex): string {
  const lines = [...packages].sort(byNameAndVersion).map(entry => {
    const { name, version, description, license, homepage, dependencies, services, config } = entry
    const { path, hash, closure, sizes, downloads } = entry
    return JSON.stringify({
      ...{ name, version, description, license, homepage },
      dependencies: [...dependencies].sort(),
      services: [...services].sort(),
      config: [...config].sort(),
      ...{ path, hash, closure, sizes, downloads },
    })
  })
  return `{"packages":[\n${lines.join(',\n')}\n]}\n`
}

/** Throws PACKAGE_INVALID, naming `source`, the package, the field and its value. */
export function parsePackageIndex(text: string, source: string): PackageIndex {
  const data = parseJson(text, source)
  const list = isRecord(data) ? data.packages : undefined
  if (!isRecord(data) || !Array.isArray(list)) throw invalid(source, 'packages', list)
  const unknown = Object.keys(data).find(field => field !== 'packages')
  if (unknown !== undefined) throw invalid(source, unknown, data[unknown])
  const packages = list.map((item, index) => parseEntry(item, `${source}: package ${index + 1}`))
  for (const [index, entry] of packages.entries()) {
    const before = packages[index - 1]
    if (before && byNameAndVersion(before, entry) >= 0)
      throw invalid(source, 'order of packages', `${entry.name} ${entry.version}`)
  }
  return { packages }
}

const OWN = ['path', 'hash', 'closure', 'sizes', 'downloads'] as const

function parseEntry(item: unknown, where: string): PackageEntry {
  if (!isRecord(item)) throw invalid(where, 'it', item)
  const source = typeof item.name === 'string' ? `${where} (${item.name.slice(0, 60)})` : where
  const own: Record<string, unknown> = {}
  const about: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(item)) {
    if (OWN.some(known => known === field)) own[field] = value
    else about[field] = value
  }
  const info = checkPackageInfo(parsePackageInfo(about, source), source)
  const { path, hash } = parseObjectOf(own, source, ['path', 'hash'])
  const closure = parsePaths(own.closure, source, 'closure')
  if (!closure.includes(path)) throw invalid(source, 'closure', own.closure)
  const counts = (field: 'sizes' | 'downloads'): readonly number[] => {
    const list = own[field]
    if (!Array.isArray(list) || list.length !== closure.length) throw invalid(source, field, list)
    const bad = list.find(item => !isCount(item))
    if (bad !== undefined) throw invalid(source, field, bad)
    return list
  }
  return { ...info, path, hash, closure, sizes: counts('sizes'), downloads: counts('downloads') }
}

/** An object's path and hash, which must belong together. */
export function parseObjectOf(
  fields: Readonly<Record<string, unknown>>,
  source: string,
  [pathField, hashField]: readonly [string, string],
): { readonly path: StorePath; readonly hash: ObjectHash } {
  const path = parsePath(fields[pathField])
  if (path === undefined) throw invalid(source, pathField, fields[pathField])
  const hash = fields[hashField]
  if (!isHash(hash)) throw invalid(source, hashField, hash)
  // The label is whatever follows the digest; the digest is part of the hash.
  if (storePathOf(hash as ObjectHash, path.slice(33)) !== path)
    throw new MixosError(
      'PACKAGE_INVALID',
      `${source}: ${hashField} is ${hash}, ${pathField} is ${path}: they do not belong together`,
    )
  return { path, hash: hash as ObjectHash }
}

/** Store paths in order, each once. */
export function parsePaths(value: unknown, source: string, field: string): StorePath[] {
  if (!Array.isArray(value)) throw invalid(source, field, value)
  return value.map((item, index) => {
    const path = parsePath(item)
    if (path === undefined || (index > 0 && value[index - 1] >= path))
      throw invalid(source, field, item)
    return path
  })
}

const CONSTRAINT = ' *(?:[=<>~]|!=|<=|>=) *[a-zA-Z0-9][a-zA-Z0-9+._-]{0,120}'
const DEPENDENCY = new RegExp(
  `^[a-zA-Z0-9][a-zA-Z0-9+._-]{0,120}(?:${CONSTRAINT}(?: *,${CONSTRAINT})*)?$`,
)
/** Far more than a description takes, and far less than a terminal minds. */
const LONGEST = 1000

/** What a stranger may say of a package: nothing that a terminal or a solver would stumble over. */
export function checkPackageInfo(info: PackageInfo, source: string): PackageInfo {
  if (!isName(info.version)) throw invalid(source, 'version', info.version)
  for (const field of ['description', 'license', 'homepage'] as const) {
    const text = info[field] ?? ''
    if (/\p{Cc}/u.test(text) || text.length > LONGEST) throw invalid(source, field, text)
  }
  const bad = info.dependencies.find(text => !DEPENDENCY.test(text))
  if (bad !== undefined) throw invalid(source, 'dependencies', bad)
  return info
}

const parsePath = (value: unknown): StorePath | undefined =>
  typeof value === 'string' && !value.startsWith('/') ? parseStorePath(value) : undefined

export function byNameAndVersion(a: PackageInfo, b: PackageInfo): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  if (a.version !== b.version) return a.version < b.version ? -1 : 1
  return 0
}
