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
  for (const name of Object.keys(lock.pins)) {
    if (!needed.has(name)) problems.push({ name, text: `${name} is pinned and not wanted` })
  }
  return problems
}

/** The pins that something wanted still uses. */
export function neededPins(lock: Lock, wanted: Wanted): ReadonlySet<string> {
  const seeds = Object.keys(wanted.seeds).flatMap(seed => lock.seeds[seed] ?? [])
  return new Set([ARCHIVE_PIN, ...Object.keys(wanted.sources), ...seeds])
}

function differenceOf(pin: Pin, source: Source): string | undefined {
  if ('version' in source && pin.version !== source.version) {
    return `is pinned at ${pin.version}, wanted is ${source.version}`
  }
  const urls = 'debian' in source ? [...urlsOf(source, pin.version), pin.urls.at(-1)] : source.urls
  const isSame = urls.length === pin.urls.length && urls.every((url, i) => url === pin.urls[i])
  if (!isSame) return 'is pinned with other URLs'
  if ('debian' in source && !pin.urls.at(-1)?.endsWith(source.file)) {
    return `is pinned at another file than ${source.file}`
  }
  return undefined
}

export function urlsOf({ urls = [] }: { urls?: readonly string[] }, version: string): string[] {
  return urls.map(url => url.replaceAll('{version}', version))
}
