import { blake3Hex } from './blake3.ts'
import type { Derivation, Output } from './derivation.ts'
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

const hashes = new WeakMap<Derivation, DerivationHash>()

/** What was asked: the derivation, its inputs by their DerivationHash. Computed once per value. */
export function hashDerivation(drv: Derivation): DerivationHash {
  const known = hashes.get(drv)
  if (known !== undefined) return known
  // Inputs first and without recursion: a chain may be longer than the stack.
  const stack = [drv]
  while (stack.length > 0) {
    const top = stack.at(-1) as Derivation
    const height = stack.length
    for (const slot in top.inputs) {
      const { derivation } = top.inputs[slot] as Output
      if (!hashes.has(derivation)) stack.push(derivation)
    }
    if (stack.length > height) continue
    if (!hashes.has(top)) hashes.set(top, hashWalk(top, asked) as DerivationHash)
    stack.pop()
  }
  return hashes.get(drv) as DerivationHash
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
  hashDerivation(drv)
  const lines: string[] = []
  walk(drv, asked, (field, value) => lines.push(`${field} = ${JSON.stringify(value)}`))
  return lines.join('\n')
}

// The output's name is part of what is asked of an input; '!' stands in no hash and no name.
const asked = (input: Output): string => `${hashes.get(input.derivation)}!${input.output}`

function hashWalk(drv: Derivation, hashOfInput: (input: Output) => string): string {
  let text = ''
  walk(drv, hashOfInput, (field, value) => {
    text += framed(field) + framed(value)
  })
  return blake3Hex(text)
}

// Without a length prefix, ('ab', 'c') and ('a', 'bc') would hash alike. Lengths are in UTF-16 units,
// which tell two texts apart as well as bytes do.
const framed = (text: string): string => `${text.length}:${text}`
