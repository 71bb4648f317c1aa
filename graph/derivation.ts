import { MixosError } from './error.ts'
import { intern, isDerivation } from './hash.ts'
import { didYouMean } from './nearest.ts'
import { isLabel, isName } from './store-path.ts'

export { isDerivation }

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

// A variable of the name __proto__ could not be told from an object's prototype.
const VARIABLE = /^(?!__proto__$)[a-zA-Z_][a-zA-Z0-9_]*$/
const SLOT = /^[a-z][a-zA-Z0-9_]*$/
const BUILTIN = /^builtin:[a-z0-9-]+$/
const SHA256 = /^sha256:[0-9a-f]{64}$/

const NAME_HINT = 'use letters, digits and + . _ -, starting with a letter or a digit'
const SLOT_HINT = 'use a lower-case letter, then letters, digits and _'

type Refuse = (what: string, hint?: string) => never

/**
 * Validates a step and freezes it. Recipes run without type checks, so types are checked as well.
 * Throws DERIVATION_INVALID naming the step, the field and the value.
 */
export function derivation(spec: DerivationSpec): Derivation {
  const refuse: Refuse = (what, hint) => {
    const which =
      spec.name === undefined ? 'a derivation' : `derivation ${JSON.stringify(spec.name)}`
    throw new MixosError('DERIVATION_INVALID', `${which}: ${what}`, { hint })
  }
  const { name, version } = spec
  refuseUnknown(spec, refuse)
  for (const field of ['name', 'version'] as const)
    if (spec[field] === undefined) refuse(`its ${field} is missing`)
  if (!isName(name)) refuse(`invalid name ${JSON.stringify(name)}`, NAME_HINT)
  if (!isName(version)) refuse(`invalid version ${JSON.stringify(version)}`, NAME_HINT)
  const outputs = outputsOf(spec.outputs ?? ['out'], refuse)
  const inputs = inputsOf(spec.inputs ?? {}, refuse)
  const env = envOf(spec.env ?? {}, refuse)
  const builder = textsOf('builder', spec.builder, refuse)
  const fetch = spec.fetch && fetchOf(spec.fetch, refuse)

  const drv: Derivation = {
    name,
    version,
    system: 'x86_64-linux',
    builder,
    env,
    inputs,
    outputs,
    ...(fetch && { fetch }),
  }
  refuseClashes(drv, refuse)
  refuseProgram(drv, refuse)
  for (const name of outputs) {
    const label = labelOf(drv, name)
    if (!isLabel(label)) refuse(`${label} is too long for a store path`, 'shorten name or version')
  }
  return intern(Object.freeze(drv))
}

// The last one is what a copy of a derivation has.
const FIELDS = ['name', 'version', 'builder', 'env', 'inputs', 'outputs', 'fetch', 'system']

/** A misspelled field would be no field at all. */
function refuseUnknown(spec: object, refuse: Refuse): void {
  const unknown = Object.keys(spec).find(field => !FIELDS.includes(field))
  if (unknown === undefined) return
  refuse(
    `unknown field ${JSON.stringify(unknown)}`,
    didYouMean(unknown, FIELDS) ?? `its fields are ${FIELDS.join(', ')}`,
  )
}

function outputsOf(given: readonly string[], refuse: Refuse): readonly string[] {
  const outputs = textsOf('outputs', given, refuse)
  for (const name of outputs) {
    if (!SLOT.test(name)) refuse(`invalid output name ${JSON.stringify(name)}`, SLOT_HINT)
  }
  return outputs
}

function inputsOf(
  given: Record<string, Derivation | Output>,
  refuse: Refuse,
): Derivation['inputs'] {
  const inputs: Record<string, Output> = {}
  for (const slot of Object.keys(given).sort()) {
    if (!SLOT.test(slot)) refuse(`invalid input name ${JSON.stringify(slot)}`, SLOT_HINT)
    const input = outputOf(given[slot])
    inputs[slot] = input ?? refuse(`input ${slot}: expected a derivation or one of its outputs`)
  }
  return Object.freeze(inputs)
}

function envOf(given: Record<string, string>, refuse: Refuse): Derivation['env'] {
  const env: Record<string, string> = {}
  for (const name of Object.keys(given).sort()) {
    if (!VARIABLE.test(name)) refuse(`invalid environment variable ${JSON.stringify(name)}`)
    env[name] = textOf(`env.${name}`, given[name], refuse)
  }
  return Object.freeze(env)
}

function fetchOf({ urls, hash, size }: Fetch, refuse: Refuse): Fetch {
  if (!SHA256.test(hash)) {
    refuse(`invalid fetch.hash ${JSON.stringify(hash)}`, 'use sha256: and 64 hexadecimal digits')
  }
  if (!Number.isSafeInteger(size) || size < 0) refuse(`invalid fetch.size ${JSON.stringify(size)}`)
  return Object.freeze({ urls: textsOf('fetch.urls', urls, refuse), hash, size })
}

function textsOf(field: string, given: unknown, refuse: Refuse): readonly string[] {
  if (!Array.isArray(given) || given.length === 0) return refuse(`${field} is not a list, or empty`)
  return Object.freeze(given.map(text => textOf(field, text, refuse)))
}

/** A text that a process can be given, and whose UTF-8 form is its own: lone surrogates share one. */
function textOf(field: string, text: unknown, refuse: Refuse): string {
  if (typeof text !== 'string') return refuse(`${field} holds ${JSON.stringify(text)}, not a text`)
  if (text.includes('\0') || !text.isWellFormed()) {
    refuse(`${field} holds a NUL byte or half a character: ${JSON.stringify(text.slice(0, 40))}`)
  }
  return text
}

/** Inputs, outputs and env all are environment variables of the build. */
function refuseClashes({ inputs, outputs, env }: Derivation, refuse: Refuse): void {
  const twice =
    outputs.find((name, index) => Object.hasOwn(inputs, name) || outputs.indexOf(name) !== index) ??
    Object.keys(env).find(name => Object.hasOwn(inputs, name) || outputs.includes(name))
  if (twice !== undefined) refuse(`${twice} is used twice among its inputs, outputs and env`)
}

function refuseProgram({ builder, inputs, fetch }: Derivation, refuse: Refuse): void {
  const program = builder[0] as string
  const [slot = '', ...path] = program.split('/')
  const isPath = path.length > 0 && (slot === '' || Object.hasOwn(inputs, slot))
  if (!isPath && !BUILTIN.test(program)) {
    refuse(`cannot run ${JSON.stringify(program)}`, 'use /PATH, INPUT/PATH or builtin:NAME')
  }
  if ((program === 'builtin:fetch-url') !== (fetch !== undefined)) {
    refuse('builtin:fetch-url and fetch go together')
  }
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

function outputOf(input: unknown): Output | undefined {
  if (isDerivation(input)) return Object.freeze({ derivation: input, output: firstOutput(input) })
  if (typeof input !== 'object' || input === null) return undefined
  const { derivation, output: name } = input as Output
  return isDerivation(derivation) ? output(derivation, name) : undefined
}
