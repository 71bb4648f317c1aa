import { join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { parseJsonObject } from '../../graph/json.ts'
import type { Lock } from '../../graph/lock.ts'
import { didYouMean } from '../../graph/nearest.ts'
import type { Report } from '../event.ts'
import type { Host } from '../host.ts'
import { userSettingsDirectory } from '../user-settings.ts'

/** Base URLs by the SITE of `mirror://SITE/PATH`, in the order in which they are tried. */
export interface Mirrors {
  readonly [site: string]: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

/** Where everyone may fetch from. For `debian` see `withArchive`. */
const PUBLIC: Mirrors = {
  gnu: ['https://ftpmirror.gnu.org/', 'https://ftp.gnu.org/gnu/'],
  kernel: ['https://cdn.kernel.org/pub/'],
}
const SITES = ['debian', ...Object.keys(PUBLIC), 'npm']

/**
 * The mirrors of this machine: what the user set, then what its package managers use, then public
 * upstreams. The user's file is `$XDG_CONFIG_HOME/mixos/mirrors.json`, a list of base URLs by site:
 * `{ "debian": ["https://mirror.example/debian"] }`. Throws SETTINGS_INVALID, naming the file, for another form,
 * and warns of a site that may be misspelled: recipes of the user's may have sites of their own.
 */
export function machineMirrors(
  host: Host,
  env: Environment,
  report: Report = () => undefined,
): Mirrors {
  return joined(userMirrors(host, env, report), debianMirrors(host), npmMirrors(host, env), PUBLIC)
}

/** Any URL as URLs that can be fetched; a mirror URL without a known mirror stays as it is. */
export function expandUrl(url: string, mirrors: Mirrors): readonly string[] {
  const match = /^mirror:\/\/([^/]+)\/(.*)$/.exec(url)
  const site = match?.[1] ?? ''
  if (!match || !Object.hasOwn(mirrors, site) || mirrors[site]?.length === 0) return [url]
  return (mirrors[site] ?? []).map(base => `${base.replace(/\/*$/, '/')}${match[2]}`)
}

/** The name of the pin that stands for the Debian index which a lock was made from. */
export const ARCHIVE_PIN = 'debian-index'

/**
 * Adds Debian's public archive of all that it ever published, as of the day after the lock's index.
 * Mirrors drop a file when a newer one replaces it, the archive does not.
 */
export function withArchive(mirrors: Mirrors, lock: Lock): Mirrors {
  const made = parseStamp(lock.pins[ARCHIVE_PIN]?.version ?? '')
  // The signed index is published some hours before the archive takes it in.
  return made === undefined ? mirrors : withArchiveAt(mirrors, made + 24 * 3_600_000)
}

/** Adds the public archive as it was at a time, in milliseconds since the epoch. */
export function withArchiveAt(mirrors: Mirrors, time: number): Mirrors {
  const archive = `https://snapshot.debian.org/archive/debian/${formatStamp(time)}/`
  return joined(mirrors, { debian: [archive] })
}

/** `20260912T075541Z` */
export function formatStamp(time: number): string {
  return new Date(time).toISOString().replace(/[-:]|\.\d+/g, '')
}

/** Undefined for another form. */
export function parseStamp(stamp: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp)
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1)
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}

function joined(...all: readonly Mirrors[]): Mirrors {
  const sites: Record<string, readonly string[]> = {}
  for (const [site, bases] of all.flatMap(mirrors => Object.entries(mirrors))) {
    sites[site] = [...new Set([...(sites[site] ?? []), ...bases])]
  }
  return sites
}

function userMirrors(host: Host, env: Environment, report: Report): Mirrors {
  const directory = userSettingsDirectory(env)
  if (!directory) return {}
  const path = join(directory, 'mirrors.json')
  const text = textOf(host, path)
  if (text === undefined) return {}
  const data = parseJsonObject(text, what => {
    throw refused(path, what)
  })
  for (const [site, bases] of Object.entries(data)) {
    if (!Array.isArray(bases) || !bases.every(isBase)) {
      throw refused(path, `${JSON.stringify(site)} is not a list of URLs`)
    }
    const hint = SITES.includes(site) ? undefined : didYouMean(site, SITES)
    if (hint === undefined) continue
    const message = `${path}: ${JSON.stringify(site)} is none of the sites ${SITES.join(', ')}`
    report({ type: 'warning', message, hint })
  }
  return data as Mirrors
}

function refused(path: string, problem: string): MixosError {
  return new MixosError('SETTINGS_INVALID', `${path}: ${problem}`, {
    hint: 'write it as { "debian": ["https://mirror.example/debian"] }, or remove it',
  })
}

const isBase = (base: unknown): boolean =>
  typeof base === 'string' && /^(https?|file):\/\/\S+$/.test(base)

/** From apt's settings: the sources that are a `debian` archive, not `debian-security` or another vendor's. */
function debianMirrors(host: Host): Mirrors {
  const directory = '/etc/apt/sources.list.d'
  const names = host.files.lstat(directory)?.isDirectory() ? host.files.list(directory) : []
  const paths = ['/etc/apt/sources.list', ...names.map(name => join(directory, name))]
  const bases = paths.flatMap(path => {
    const isStanzas = path.endsWith('.sources')
    if (!isStanzas && !path.endsWith('.list')) return []
    const text = textOf(host, path) ?? ''
    return isStanzas ? urisOfStanzas(text) : urisOfLines(text)
  })
  return { debian: bases.filter(base => /\/debian\/*$/.test(base)).filter(isBase) }
}

/** Deb822: fields, a field's further lines start with a space, a blank line ends a stanza. */
function urisOfStanzas(text: string): string[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '')
  return withoutComments.split(/\n\s*\n/).flatMap(stanza => {
    const fields = new Map<string, string[]>()
    for (const match of stanza.matchAll(/^([\w-]+):((?:.*)(?:\n[ \t]+.*)*)/gm)) {
      const words = (match[2] ?? '').split(/\s+/).filter(word => word !== '')
      fields.set((match[1] ?? '').toLowerCase(), words)
    }
    return fields.get('enabled')?.[0] === 'no' ? [] : (fields.get('uris') ?? [])
  })
}

/** `deb [ option=value … ] URI suite component…`, one a line. */
function urisOfLines(text: string): string[] {
  return [...text.matchAll(/^\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s*)?(\S+)/gm)].map(
    match => match[1] ?? '',
  )
}

/** From npm's settings, in npm's order: environment, the user's .npmrc, the machine's. */
function npmMirrors(host: Host, env: Environment): Mirrors {
  const ownFile = env.npm_config_userconfig || (env.HOME && join(env.HOME, '.npmrc'))
  const files = [ownFile, env.npm_config_globalconfig, '/usr/local/etc/npmrc', '/usr/etc/npmrc']
  const settings = files.map(path => path && registryOf(textOf(host, path) ?? '', env))
  const registry = [env.npm_config_registry, env.NPM_CONFIG_REGISTRY, ...settings].find(Boolean)
  return registry && isBase(registry) ? { npm: [registry] } : {}
}

function registryOf(npmrc: string, env: Environment): string | undefined {
  const value = /^\s*registry\s*=\s*["']?([^\s"']+)/m.exec(npmrc)?.[1]
  return value?.replace(/\$\{(\w+)\}/g, (_, name: string) => env[name] ?? '')
}

function textOf(host: Host, path: string): string | undefined {
  try {
    return host.files.read(path)?.toString('utf8')
  } catch (error) {
    // Another user's settings are none of ours.
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return undefined
    throw error
  }
}
