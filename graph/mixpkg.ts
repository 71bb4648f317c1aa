import { comparePaths, isEntryName } from './manifest.ts'
import { checkPackageInfo, parseObjectOf, parsePaths } from './package-index.ts'
import { invalid, type PackageInfo, parseJson, parsePackageInfo } from './package-info.ts'
import { type ObjectHash, STORE_DIRECTORY, type StorePath } from './store-path.ts'

/** `metadata.json` of a package in a file of its own; `mixpkg.schema.json` is the same for others to read. */
export interface MixpkgMetadata extends PackageInfo {
  readonly format: typeof MIXPKG_FORMAT
  /** All that is below `files/`, directories too, sorted by their bytes. */
  readonly files: readonly string[]
  /** Of the archive's bytes behind the entry of `metadata.json`, up to its end. */
  readonly checksum: `sha256:${string}`
  readonly storePath: StorePath
  readonly objectHash: ObjectHash
  /** What its files name in the store, sorted; it is not in the package. */
  readonly references: readonly StorePath[]
}

export const MIXPKG_FORMAT = 'mixpkg-1'
export const METADATA = 'metadata.json'
export const FILES = 'files'
export const SCRIPTS = 'scripts'
export const SCRIPT_NAMES = ['pre-install.sh', 'post-install.sh'] as const
export type ScriptName = (typeof SCRIPT_NAMES)[number]

/** Where the object of a package has a script. */
export const scriptPath = (name: string, script: ScriptName): string =>
  `libexec/mix/${name}/${script}`

export function formatMixpkgMetadata(metadata: MixpkgMetadata): string {
  const { format, name, version, description, license, homepage } = metadata
  const { dependencies, services, config, ...rest } = metadata
  const { storePath, objectHash, references, checksum, files } = rest
  const lists = {
    dependencies: [...dependencies].sort(),
    services: [...services].sort(),
    config: [...config].sort(),
  }
  const about = { format, name, version, description, license, homepage, ...lists }
  const fields = { ...about, storePath, objectHash, references, checksum, files }
  return `${JSON.stringify(fields, undefined, 2)}\n`
}

const OWN = ['format', 'files', 'checksum', 'storePath', 'objectHash', 'references'] as const

/** Throws PACKAGE_INVALID, naming `source`, the field and its value, also for a field that is missing or unknown. */
export function parseMixpkgMetadata(text: string, source: string): MixpkgMetadata {
  const data = parseJson(text, source)
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    throw invalid(source, 'it', data)
  const fields = data as Record<string, unknown>
  if (fields.format !== MIXPKG_FORMAT) throw invalid(source, 'format', fields.format)
  const about = Object.fromEntries(
    Object.entries(fields).filter(([field]) => !OWN.some(known => known === field)),
  )
  const info = checkPackageInfo(parsePackageInfo(about, source), source)
  const { checksum } = fields
  if (typeof checksum !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(checksum))
    throw invalid(source, 'checksum', checksum)
  const object = parseObjectOf(fields, source, ['storePath', 'objectHash'])
  const references = parsePaths(fields.references, source, 'references')
  if (references.includes(object.path)) throw invalid(source, 'references', object.path)
  return {
    ...info,
    format: MIXPKG_FORMAT,
    files: parseFiles(fields.files, source),
    checksum: checksum as MixpkgMetadata['checksum'],
    storePath: object.path,
    objectHash: object.hash,
    references,
  }
}

/**
 * True for a symlink that leads to where it may: within its own object, or into one that this refers to.
 * `path` is relative to the object. Behind a name, `..` would leave what a link of that name leads to.
 */
export function isLinkAllowed(
  { path, target }: { readonly path: string; readonly target: string },
  objects: readonly StorePath[],
): boolean {
  const parts = target.split('/')
  if (target === '' || /\p{Cc}/u.test(target)) return false
  if (target.startsWith('/')) {
    const inside = `${STORE_DIRECTORY}/`
    const [object = ''] = target.slice(inside.length).split('/')
    const isKnown = objects.some(known => known === object)
    return target.startsWith(inside) && isKnown && !parts.includes('..')
  }
  const names = parts.filter(part => part !== '' && part !== '.')
  const ups = names.findIndex(name => name !== '..')
  const rest = ups === -1 ? [] : names.slice(ups)
  const depth = path.split('/').length - 1
  return names.length - rest.length <= depth && !rest.includes('..')
}

function parseFiles(value: unknown, source: string): string[] {
  if (!Array.isArray(value)) throw invalid(source, 'files', value)
  return value.map((path, index) => {
    const isPlain = typeof path === 'string' && path.split('/').every(isEntryName)
    if (!isPlain || (index > 0 && comparePaths(value[index - 1], path) >= 0))
      throw invalid(source, 'files', path)
    return path
  })
}
