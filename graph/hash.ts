import { blake3Hex } from './blake3.ts'
import type { Derivation, Output } from './derivation.ts'
import type { DerivationHash, ObjectHash, ResolvedHash } from './store-path.ts'

/** Changes when the meaning of a field or the behaviour of the sandbox changes: it is hashed first. */
const FORMAT = 'mixos-derivation-1'

type Field = readonly [name: string, value: string]

/** The one walk over all that decides what a derivation is. Sets are sorted, sequences keep their order. */
function* fieldsOf(drv: Derivation, hashOfInput: (input: Output) => string): Generator<Field> {
  yield ['format', FORMAT]
  yield ['name', drv.name]
  yield ['version', drv.version]
  yield ['system', drv.system]
  for (const [index, argument] of drv.builder.entries()) yield [`builder.${index}`, argument]
  for (const name in drv.env) yield [`env.${name}`, drv.env[name] as string]
  for (const slot in drv.inputs) yield [`input.${slot}`, hashOfInput(drv.inputs[slot] as Output)]
  for (const [index, name] of drv.outputs.entries()) yield [`output.${index}`, name]
  if (drv.fetch) {
    for (const [index, url] of drv.fetch.urls.entries()) yield [`fetch.url.${index}`, url]
    yield ['fetch.hash', drv.fetch.hash]
    yield ['fetch.size', String(drv.fetch.size)]
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
    const missing = Object.values(top.inputs).filter(input => !hashes.has(input.derivation))
    if (missing.length > 0) {
      for (const input of missing) stack.push(input.derivation)
      continue
    }
    if (!hashes.has(top)) hashes.set(top, hashFields(fieldsOf(top, asked)) as DerivationHash)
    stack.pop()
  }
  return hashes.get(drv) as DerivationHash
}

/** The same walk, each input by the object it turned out to be: equal for equal inputs, however made. */
export function hashResolved(
  drv: Derivation,
  objectOf: (input: Output) => ObjectHash,
): ResolvedHash {
  return hashFields(fieldsOf(drv, objectOf)) as ResolvedHash
}

/** The hashed fields as text, one a line: diff two of these to learn why a hash changed. */
export function explainDerivation(drv: Derivation): string {
  hashDerivation(drv)
  return [...fieldsOf(drv, asked)]
    .map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
    .join('\n')
}

// The output's name is part of what is asked of an input; '!' stands in no hash and no name.
const asked = (input: Output): string => `${hashes.get(input.derivation)}!${input.output}`

function hashFields(fields: Iterable<Field>): string {
  let text = ''
  for (const [name, value] of fields) text += framed(name) + framed(value)
  return blake3Hex(text)
}

// Without a length prefix, ('ab', 'c') and ('a', 'bc') would hash alike. Lengths are in UTF-16 units,
// which tell two texts apart as well as bytes do.
const framed = (text: string): string => `${text.length}:${text}`
