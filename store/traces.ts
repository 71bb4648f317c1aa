import { MixosError } from '../graph/error.ts'
import type { Outputs } from '../graph/plan.ts'
import {
  type DerivationHash,
  parseHash,
  parseStorePath,
  type ResolvedHash,
  type StorePath,
} from '../graph/store-path.ts'
import { parseJson } from './records.ts'

/** "This derivation produced these objects": all outputs of one build together. */
export interface Trace {
  readonly label: string
  readonly derivation: DerivationHash
  readonly resolved: ResolvedHash
  readonly outputs: Outputs
  /** The texts of the signed traces on whose word it was taken from a cache. Without them, it was made here. */
  readonly statements?: readonly string[]
}

const FORMAT = 'mixos-trace-1'

export function formatTrace({ label, derivation, resolved, outputs, statements }: Trace): string {
  return `${JSON.stringify({ format: FORMAT, label, derivation, resolved, outputs, statements })}\n`
}

/**
 * Throws RECORD_INVALID, naming the file and what is wrong with it, also where it is the trace of another
 * hash than the one it is kept under.
 */
export function parseTrace(text: string, hash: string, where: string): Trace {
  const data = parseJson(text, where)
  const refuse = (what: string): never => {
    throw new MixosError('RECORD_INVALID', `${where}: ${what}`, {
      hint: 'drop it with the command gc',
    })
  }
  if (data.format !== FORMAT)
    refuse(`expected the format ${FORMAT}, got ${JSON.stringify(data.format)}`)
  const { label, statements } = data
  if (typeof label !== 'string') return refuse('expected a label')
  if (statements !== undefined && !isTexts(statements)) return refuse('expected statements')
  const outputs: Record<string, StorePath> = {}
  if (typeof data.outputs !== 'object' || data.outputs === null) return refuse('expected outputs')
  if (Object.keys(data.outputs).length === 0) refuse('it has no outputs')
  for (const [name, path] of Object.entries(data.outputs)) {
    outputs[name] =
      (typeof path === 'string' && parseStorePath(path)) ||
      refuse(`output ${name} is not a store path`)
  }
  const derivation = parseHash<DerivationHash>(data.derivation, where)
  const resolved = parseHash<ResolvedHash>(data.resolved, where)
  if (hash !== derivation && hash !== resolved) refuse(`it is the trace of ${derivation}`)
  return { label, derivation, resolved, outputs, ...(statements && { statements }) }
}

// None at all would say that it was taken on nobody's word.
const isTexts = (data: unknown): data is string[] =>
  Array.isArray(data) && data.length > 0 && data.every(each => typeof each === 'string')
