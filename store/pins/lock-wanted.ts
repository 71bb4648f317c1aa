import type { Lock, Pin } from '../../graph/lock.ts'
import type { Source, Wanted } from '../../graph/wanted.ts'
import { ARCHIVE_PIN } from '../fetch/mirrors.ts'

/** The name of the pin of a binary package. */
export const debPin = (name: string): string => `debian/${name}`

/** Where a lock is not as wanted. */
export interface Problem {
  /** The source, seed or pin that is to be updated. */
  readonly name: string
  /** A sentence. */
  readonly text: string
}

/**
 * What a lock lacks, has too much, or has in another version than wanted; none where it is complete.
 * No network is used, so new versions out there are not seen.
 */
export function problemsOf(lock: Lock, wanted: Wanted): Problem[] {
  const problems: Problem[] = []
  for (const [name, source] of Object.entries(wanted.sources)) {
    const pin = lock.pins[name]
    const problem = pin ? differenceOf(pin, source) : 'is not pinned'
    if (problem) problems.push({ name, text: `${name} ${problem}` })
  }
  for (const [name, roots] of Object.entries(wanted.seeds)) {
    const members = lock.seeds[name]
    if (!members) problems.push({ name, text: `seed ${name} is not resolved` })
    const missing = roots.filter(root => members && !members.includes(debPin(root)))
    problems.push(...missing.map(root => ({ name, text: `seed ${name} lacks ${root}` })))
  }
  const needed = neededPins(lock, wanted)
  for (const name of Object.keys(lock.seeds)) {
    if (!Object.hasOwn(wanted.seeds, name))
      problems.push({ name, text: `seed ${name} is not wanted` })
  }
  for (const [name, pin] of Object.entries(lock.pins)) {
    const problem = needed.has(name) ? displaced(pin) : 'is pinned and not wanted'
    if (problem) problems.push({ name, text: `${name} ${problem}` })
  }
  return problems
}

/** The pins that something wanted still uses. */
export function neededPins(lock: Lock, wanted: Wanted): ReadonlySet<string> {
  const seeds = Object.keys(wanted.seeds).flatMap(seed => lock.seeds[seed] ?? [])
  return new Set([ARCHIVE_PIN, ...Object.keys(wanted.sources), ...seeds])
}

function differenceOf(pin: Pin, source: Source): string | undefined {
  if ('version' in source) {
    if (pin.version !== source.version)
      return `is pinned at ${pin.version}, wanted is ${source.version}`
    return isList(pin.urls, source.urls) ? undefined : OTHER_URLS
  }
  if (!isList(pin.urls.slice(0, -1), urlsOf(source, pin.version))) return OTHER_URLS
  const last = pin.urls.at(-1) ?? ''
  if (!last.endsWith(source.file)) return `is pinned at another file than ${source.file}`
  const file = `${source.debian}_${pin.version}${source.file}`
  return last === `mirror://debian/${poolOf(source.debian)}/${file}` ? undefined : elsewhere(file)
}

/** Of a binary package of Debian's: whether its URL is the one of its name and version. */
function displaced({ name, version, urls }: Pin): string | undefined {
  if (!name.startsWith(debPin(''))) return undefined
  const file = `${name.slice(debPin('').length)}_${version.replace(/^\d+:/, '')}_`
  // It lies with its source, whose name may be another one.
  const source = urls[0]?.split('/').at(-2) ?? ''
  const isOf = (system: string): boolean =>
    isList(urls, [`mirror://debian/${poolOf(source)}/${file}${system}.deb`])
  return isOf('amd64') || isOf('all') ? undefined : elsewhere(`${file}*.deb`)
}

const OTHER_URLS = 'is pinned with other URLs'
const elsewhere = (file: string): string => `is pinned at another place than Debian's for ${file}`

/** The directory of an archive that holds a source and what is made from it. */
const poolOf = (source: string): string =>
  `pool/main/${source.slice(0, source.startsWith('lib') ? 4 : 1)}/${source}`

const isList = (list: readonly string[], other: readonly string[]): boolean =>
  list.length === other.length && list.every((item, i) => item === other[i])

export function urlsOf({ urls = [] }: { urls?: readonly string[] }, version: string): string[] {
  return urls.map(url => url.replaceAll('{version}', version))
}
