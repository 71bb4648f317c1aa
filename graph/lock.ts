import { MixosError } from './error.ts'
import { isRecord, parseJsonObject, repeatedKey } from './json.ts'

/** One thing from outside, fixed by its hash. */
export interface Pin {
  readonly name: string
  readonly version: string
  /** Tried in order; `mirror://SITE/PATH` expands from the settings of the user and the machine. */
  readonly urls: readonly string[]
  readonly hash: `sha256:${string}`
  /** In bytes. */
  readonly size: number
}

/** `flake-free.lock`: every pin by name, and which pins make up each seed. */
export interface Lock {
  readonly pins: Readonly<Record<string, Pin>>
  /** Names of pins, in the order in which they are unpacked. */
  readonly seeds: Readonly<Record<string, readonly string[]>>
}

const VERSION = 1
// Above all not __proto__, which cannot be set like another property.
const NAME = /^[a-zA-Z0-9]\S*$/
const HINT = 'restore the file, or write it anew with: mixos lock update'

/** The pin of that name. Throws LOCK_OUTDATED where there is none. */
export function pinOf(lock: Lock, name: string): Pin {
  const pin = Object.hasOwn(lock.pins, name) ? lock.pins[name] : undefined
  if (pin) return pin
  throw new MixosError('LOCK_OUTDATED', `flake-free.lock has no pin ${JSON.stringify(name)}`, {
    hint: `add it with: mixos lock update ${name}`,
  })
}

/** Sorted JSON with one pin a line, so that a changed pin is a changed line. */
export function formatLock(lock: Lock): string {
  const pins = Object.values(lock.pins)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(
      ({ name, version, urls, hash, size }) =>
        `    ${JSON.stringify(name)}: ${JSON.stringify({ version, hash, size, urls })}`,
    )
  const seeds = Object.keys(lock.seeds)
    .sort()
    .map(
      name =>
        `    ${JSON.stringify(name)}: [\n${(lock.seeds[name] ?? []).map(pin => `      ${JSON.stringify(pin)}`).join(',\n')}\n    ]`,
    )
  return `{\n  "version": ${VERSION},\n  "pins": {\n${pins.join(',\n')}\n  },\n  "seeds": {\n${seeds.join(',\n')}\n  }\n}\n`
}

/** Throws LOCK_INVALID, naming the pin and the field, for what formatLock would not write in any layout. */
export function parseLock(text: string): Lock {
  const refuse = (what: string): never => {
    throw new MixosError('LOCK_INVALID', `flake-free.lock: ${what}`, { hint: HINT })
  }
  const data = parseJsonObject(text, refuse)
  if (data.version !== VERSION) {
    refuse(`its version is ${JSON.stringify(data.version)}, this mixos reads version ${VERSION}`)
  }
  const pins: Record<string, Pin> = {}
  for (const [name, pin] of Object.entries(
    recordOf(data.pins, () => refuse('"pins" is not an object')),
  )) {
    if (!NAME.test(name)) refuse(`invalid pin name ${JSON.stringify(name)}`)
    pins[name] = parsePin(name, pin, refuse)
  }
  const seeds: Record<string, readonly string[]> = {}
  for (const [seed, names] of Object.entries(
    recordOf(data.seeds, () => refuse('"seeds" is not an object')),
  )) {
    if (!NAME.test(seed)) refuse(`invalid seed name ${JSON.stringify(seed)}`)
    if (!Array.isArray(names)) return refuse(`seed ${seed} is not a list`)
    const unknown = names.find(name => typeof name !== 'string' || !Object.hasOwn(pins, name))
    if (unknown !== undefined)
      refuse(`seed ${seed} names ${JSON.stringify(unknown)}, which is not pinned`)
    seeds[seed] = Object.freeze(names)
  }
  const lock = { pins, seeds }
  // A merge may keep both lines. To look for that takes longer than to see that nobody changed the file.
  const repeated = text === formatLock(lock) ? undefined : repeatedKey(text)
  if (repeated)
    refuse(`${JSON.stringify(repeated.key)} is there twice, as ${repeated.values.join(' and as ')}`)
  return lock
}

function parsePin(name: string, data: unknown, refuse: (what: string) => never): Pin {
  const pin = recordOf(data, () => refuse(`pin ${name} is not an object`))
  const { version, urls, hash, size, ...rest } = pin
  if (typeof version !== 'string' || version === '')
    return refuse(`pin ${name}: invalid version ${JSON.stringify(version)}`)
  if (!Array.isArray(urls) || urls.length === 0 || !urls.every(isUrl))
    return refuse(`pin ${name}: invalid urls ${JSON.stringify(urls)}`)
  if (typeof hash !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(hash))
    return refuse(`pin ${name}: invalid hash ${JSON.stringify(hash)}`)
  if (!Number.isSafeInteger(size) || (size as number) < 0)
    return refuse(`pin ${name}: invalid size ${JSON.stringify(size)}`)
  for (const field of Object.keys(rest)) refuse(`pin ${name}: unknown field ${field}`)
  return { name, version, urls, hash: hash as Pin['hash'], size: size as number }
}

const isUrl = (url: unknown): boolean =>
  typeof url === 'string' && /^(https?|mirror|file):\/\/\S+$/.test(url)

function recordOf(data: unknown, refuse: () => never): Record<string, unknown> {
  return isRecord(data) ? data : refuse()
}
