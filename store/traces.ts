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
}

const FORMAT = 'mixos-trace-1'

export function formatTrace({ label, derivation, resolved, outputs }: Trace): string {
  return `${JSON.stringify({ format: FORMAT, label, derivation, resolved, outputs })}\n`
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
  const { label } = data
  if (typeof label !== 'string') return refuse('expected a label')
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
  return { label, derivation, resolved, outputs }
}
