import type { Derivation } from '../../graph/derivation.ts'
import type { StorePath } from '../../graph/store-path.ts'
import type { Mirrors } from '../fetch/mirrors.ts'
import type { Store } from '../store.ts'

/**
 * A step that the tool takes itself, without a sandbox: its code is ours, only its data is foreign. What it throws as
 * DERIVATION_INVALID leaves out the step's label.
 */
export type Builtin = (request: BuiltinRequest) => Promise<void>

export interface BuiltinRequest {
  readonly store: Store
  readonly derivation: Derivation
  /** The object of each input. */
  readonly inputs: Readonly<Record<string, StorePath>>
  /** Where to leave the only output; nothing is there yet. */
  readonly target: string
  readonly mirrors: Mirrors
  readonly signal: AbortSignal
  onProgress(bytes: number): void
  warn(message: string, hint?: string): void
  /** A line for the step's log. */
  log(line: string): void
}
