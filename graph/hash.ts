import { blake3Hex } from './blake3.ts'
import type { Derivation, Output } from './derivation.ts'
import { framed } from './framed.ts'
import type { DerivationHash, ObjectHash, ResolvedHash } from './store-path.ts'

/** Changes when the meaning of a field or the behaviour of the sandbox changes: it is hashed first. */
const FORMAT = 'mixos-derivation-1'

/** The one walk over all that decides what a derivation is. Sets are sorted, sequences keep their order. */
function walk(
  drv: Derivation,
  hashOfInput: (input: Output) => string,
  visit: (field: string, value: string) => void,
): void {
  visit('format', FORMAT)
  visit('name', drv.name)
  visit('version', drv.version)
  visit('system', drv.system)
  visitEach('builder', drv.builder, visit)
  for (const name in drv.env) visit(`env.${name}`, drv.env[name] as string)
  for (const slot in drv.inputs) visit(`input.${slot}`, hashOfInput(drv.inputs[slot] as Output))
  visitEach('output', drv.outputs, visit)
  if (drv.fetch) {
    visitEach('fetch.url', drv.fetch.urls, visit)
    visit('fetch.hash', drv.fetch.hash)
    visit('fetch.size', String(drv.fetch.size))
  }
}

function visitEach(
  field: string,
  values: readonly string[],
  visit: (field: string, value: string) => void,
): void {
  for (let index = 0; index < values.length; index++) {
    visit(`${field}.${index}`, values[index] as string)
  }
}

// To have a hash is to be made by derivation(), so foreign data is never taken for a validated value.
const hashes = new WeakMap<object, DerivationHash>()
const derivations = new Map<DerivationHash, WeakRef<Derivation>>()

/**
 * Hashes a new derivation, whose inputs are hashed already. Equal derivations are one value: where there is
 * such a one it is returned instead, so that a step is planned once however often a recipe makes it.
 * For derivation() alone.
 */
export function intern(drv: Derivation): Derivation {
  const hash = hashWalk(drv, asked) as DerivationHash
  const equal = derivations.get(hash)?.deref()
  if (equal) return equal
  hashes.set(drv, hash)
  derivations.set(hash, new WeakRef(drv))
  return drv
}

export function isDerivation(value: unknown): value is Derivation {
  return typeof value === 'object' && value !== null && hashes.has(value)
}

/** What was asked: the derivation, its inputs by their DerivationHash. */
export function hashDerivation(drv: Derivation): DerivationHash {
  const hash = hashes.get(drv)
  if (hash === undefined) throw new Error(`${drv.name} was not made by derivation()`)
  return hash
}

/** The same walk, each input by the object it turned out to be: equal for equal inputs, however made. */
export function hashResolved(
  drv: Derivation,
  objectOf: (input: Output) => ObjectHash,
): ResolvedHash {
  return hashWalk(drv, objectOf) as ResolvedHash
}

/** The hashed fields as text, one a line: diff two of these to learn why a hash changed. */
export function explainDerivation(drv: Derivation): string {
  const lines: string[] = []
  walk(drv, asked, (field, value) => lines.push(`${field} = ${JSON.stringify(value)}`))
  return lines.join('\n')
}

// The output's name is part of what is asked of an input; '!' stands in no hash and no name.
const asked = (input: Output): string => `${hashDerivation(input.derivation)}!${input.output}`

function hashWalk(drv: Derivation, hashOfInput: (input: Output) => string): string {
  let text = ''
  walk(drv, hashOfInput, (field, value) => {
    text += framed(field) + framed(value)
  })
  return blake3Hex(text)
}
