import { type Draft, produce } from 'immer'
import { type Derivation, type DerivationSpec, derivation } from './derivation.ts'

type Editable = Draft<Omit<DerivationSpec, 'inputs'>> & {
  env: Record<string, string>
  inputs: Record<string, NonNullable<DerivationSpec['inputs']>[string]>
}

/**
 * A changed copy of a derivation; the original stays as it is, and the inputs left alone are shared.
 * The result is validated like any other: throws DERIVATION_INVALID.
 */
export function override(drv: Derivation, change: (draft: Editable) => void): Derivation {
  const { system: _, ...spec } = drv
  return derivation(produce(spec as Editable, draft => void change(draft as Editable)))
}
