import { MixosError } from './error.ts'
import { isName } from './store-path.ts'

/** One output of a derivation, to be used as another's input. */
export interface Output {
  readonly derivation: Derivation
  readonly output: string
}

/** What a fetch must return: any of the URLs may serve it, only these bytes are accepted. */
export interface Fetch {
  readonly urls: readonly string[]
  readonly hash: `sha256:${string}`
  /** In bytes. */
  readonly size: number
}

/**
 * A build step as data, deeply frozen.
 *
 * `builder` is an argument vector. Its first element is an absolute path inside the input named
 * `root`, or `INPUT/path` for a file in an input, or `builtin:NAME`. Inputs and outputs reach the
 * builder as environment variables of the same names.
 */
export interface Derivation {
  readonly name: string
  readonly version: string
  readonly system: 'x86_64-linux'
  readonly builder: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly inputs: Readonly<Record<string, Output>>
  readonly outputs: readonly string[]
  readonly fetch?: Fetch
}

export interface DerivationSpec {
  readonly name: string
  readonly version: string
  readonly builder: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A derivation stands for its first output. */
  readonly inputs?: Readonly<Record<string, Derivation | Output>>
  /** Defaults to `['out']`. */
  readonly outputs?: readonly string[]
  readonly fetch?: Fetch
}

const VARIABLE = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const SLOT = /^[a-z][a-zA-Z0-9_]*$/

// Membership says "made by derivation()", so foreign data is never taken for a validated value.
const made = new WeakSet<object>()

export function isDerivation(value: unknown): value is Derivation {
  return typeof value === 'object' && value !== null && made.has(value)
}

/** Validates a step and freezes it. Throws DERIVATION_INVALID naming the step, the field and the value. */
export function derivation(spec: DerivationSpec): Derivation {
  const label = `derivation ${JSON.stringify(spec.name)}`
  const refuse = (what: string, hint?: string): never => {
    throw new MixosError('DERIVATION_INVALID', `${label}: ${what}`, { hint })
  }
  const rule = 'use letters, digits and + . _ -, starting with a letter or a digit'
  if (!isName(spec.name)) refuse(`invalid name ${JSON.stringify(spec.name)}`, rule)
  if (!isName(spec.version)) refuse(`invalid version ${JSON.stringify(spec.version)}`, rule)
  if (spec.builder.length === 0 || spec.builder[0] === '') refuse('the builder is empty')

  const env = sorted({ ...spec.env })
  const inputs: Record<string, Output> = {}
  for (const [slot, input] of Object.entries(spec.inputs ?? {}).sort(byKey)) {
    inputs[slot] = outputOf(input, problem => refuse(`input ${slot}: ${problem}`))
  }
  const outputs = [...(spec.outputs ?? ['out'])]
  if (outputs.length === 0) refuse('it has no outputs')

  const slots = [...Object.keys(inputs), ...outputs]
  for (const slot of slots) {
    if (!SLOT.test(slot))
      refuse(
        `invalid input or output name ${JSON.stringify(slot)}`,
        'use a lower-case letter, then letters, digits and _',
      )
  }
  for (const name of Object.keys(env)) {
    if (!VARIABLE.test(name)) refuse(`invalid environment variable ${JSON.stringify(name)}`)
  }
  const names = [...slots, ...Object.keys(env)]
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) refuse(`${twice} is used twice among its inputs, outputs and env`)
  const nul = [...spec.builder, ...Object.values(env)].find(text => text.includes('\0'))
  if (nul !== undefined) refuse(`a NUL byte in ${JSON.stringify(nul.slice(0, 40))}`)

  const drv: Derivation = {
    name: spec.name,
    version: spec.version,
    system: 'x86_64-linux',
    builder: Object.freeze([...spec.builder]),
    env: Object.freeze(env),
    inputs: Object.freeze(inputs),
    outputs: Object.freeze(outputs),
    ...(spec.fetch && {
      fetch: Object.freeze({ ...spec.fetch, urls: Object.freeze([...spec.fetch.urls]) }),
    }),
  }
  made.add(drv)
  return Object.freeze(drv)
}

/** The named output of a derivation. Throws DERIVATION_INVALID where it has no such output. */
export function output(drv: Derivation, name: string): Output {
  if (!drv.outputs.includes(name)) {
    throw new MixosError(
      'DERIVATION_INVALID',
      `${labelOf(drv)} has no output ${JSON.stringify(name)}`,
      { hint: `its outputs are ${drv.outputs.join(', ')}` },
    )
  }
  return Object.freeze({ derivation: drv, output: name })
}

/** `<name>-<version>`, with the output's name behind it where it is not the first one. */
export function labelOf(drv: Derivation, outputName: string = firstOutput(drv)): string {
  const suffix = outputName === firstOutput(drv) ? '' : `-${outputName}`
  return `${drv.name}-${drv.version}${suffix}`
}

export function firstOutput(drv: Derivation): string {
  return drv.outputs[0] as string
}

function outputOf(input: Derivation | Output, refuse: (problem: string) => never): Output {
  if (isDerivation(input)) return Object.freeze({ derivation: input, output: firstOutput(input) })
  if (input !== undefined && isDerivation((input as Output).derivation)) {
    return output((input as Output).derivation, (input as Output).output)
  }
  return refuse('expected a derivation or one of its outputs')
}

const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1)

function sorted(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(byKey))
}
