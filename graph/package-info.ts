import { MixosError } from './error.ts'
import { shown } from './shown.ts'
import { isName } from './store-path.ts'

/**
 * What a package says of itself. It is part of the package's object, at `share/mix/packages/<name>.json`, so a
 * profile holds that of everything installed.
 */
export interface PackageInfo {
  readonly name: string
  /** Upstream's; versions compare as in version.ts. */
  readonly version: string
  /** One sentence without a full stop. */
  readonly description: string
  /** An SPDX expression. */
  readonly license: string
  /** Left out where there is none. */
  readonly homepage?: string
  /** What has to be installed with it, such as `zlib` or `openssl>=3.0`. Libraries that it links to need no mention. */
  readonly dependencies: readonly string[]
  /** Directories of its `etc/sv`, each with a `run` program for a supervisor. */
  readonly services: readonly string[]
  /** Files below its `etc` that are the user's once changed, such as `ssh/sshd_config`. */
  readonly config: readonly string[]
}

/** Where an object, and a profile, has such descriptions. */
export const PACKAGES = 'share/mix/packages'

export const packageInfoPath = (name: string): string => `${PACKAGES}/${name}.json`

export function formatPackageInfo(info: PackageInfo): string {
  const { name, version, description, license, homepage, dependencies, services, config } = info
  const sorted = {
    dependencies: [...dependencies].sort(),
    services: [...services].sort(),
    config: [...config].sort(),
  }
  const fields = { name, version, description, license, ...(homepage && { homepage }), ...sorted }
  return `${JSON.stringify(fields, undefined, 2)}\n`
}

const TEXTS = ['name', 'version', 'description', 'license'] as const
const LISTS = ['dependencies', 'services', 'config'] as const

/** `source` is what messages call it. Throws PACKAGE_INVALID, naming the field and its value. */
export function parsePackageInfo(value: unknown, source: string): PackageInfo {
  if (typeof value !== 'object' || value === null) throw invalid(source, 'it', value)
  const fields = value as Record<string, unknown>
  for (const field of TEXTS) {
    if (typeof fields[field] !== 'string' || fields[field] === '') {
      throw invalid(source, field, fields[field])
    }
  }
  for (const field of LISTS) {
    const list = fields[field]
    if (!Array.isArray(list) || !list.every(item => typeof item === 'string')) {
      throw invalid(source, field, list)
    }
  }
  if (fields.homepage !== undefined && !isHomepage(fields.homepage)) {
    throw invalid(source, 'homepage', fields.homepage)
  }
  const unknown = Object.keys(fields).find(
    field => ![...TEXTS, ...LISTS, 'homepage'].some(known => known === field),
  )
  if (unknown !== undefined) throw invalid(source, unknown, fields[unknown])
  const info = value as PackageInfo
  if (!isName(info.name)) throw invalid(source, 'name', info.name)
  const service = info.services.find(name => !isName(name))
  if (service !== undefined) throw invalid(source, 'services', service)
  const bad = info.config.find(path => !path.split('/').every(part => isName(part)))
  if (bad !== undefined) throw invalid(source, 'config', bad)
  return info
}

const isHomepage = (value: unknown): boolean =>
  typeof value === 'string' && /^https?:\/\/\S+$/.test(value)

/** Names the file, the field and its value. */
export function invalid(source: string, field: string, value: unknown): MixosError {
  return new MixosError('PACKAGE_INVALID', `${source}: ${field} is ${shown(value)}`)
}

/** Throws PACKAGE_INVALID. */
export function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new MixosError('PACKAGE_INVALID', `${source} is not JSON`, { cause: error })
  }
}
