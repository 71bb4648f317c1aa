import { topologicalOrder } from './closure.ts'
import type { Derivation } from './derivation.ts'
import { labelOf } from './derivation.ts'
import { hashDerivation } from './hash.ts'
import type { DerivationHash, StorePath } from './store-path.ts'

/** The objects a step is known to produce, by output name. */
export type Outputs = Readonly<Record<string, StorePath>>

export type Action = 'reuse' | 'substitute' | 'fetch' | 'build'

/** One step to take. `outputs` are known for what is reused or substituted. */
export interface PlannedStep {
  readonly derivation: Derivation
  readonly hash: DerivationHash
  readonly action: Action
  readonly outputs?: Outputs
}

/** Steps, each after all it needs. What a reused or substituted step was made from is not part of it. */
export interface Plan {
  readonly steps: readonly PlannedStep[]
}

/** What is known of a derivation before anything runs: its outputs, and whether they are here already. */
export type Known = (
  hash: DerivationHash,
) => { readonly outputs: Outputs; readonly isPresent: boolean } | undefined

/**
 * What realizing the roots takes at most: while it runs, a step whose inputs turn out unchanged is
 * reused after all (early cutoff). `again` names steps to build even where they are known.
 */
export function plan(
  roots: readonly Derivation[],
  known: Known,
  again: ReadonlySet<Derivation> = new Set(),
): Plan {
  const steps = new Map<Derivation, PlannedStep>()
  const stepOf = (derivation: Derivation): PlannedStep => {
    const planned = steps.get(derivation)
    if (planned) return planned
    const hash = hashDerivation(derivation)
    const found = again.has(derivation) ? undefined : known(hash)
    const step: PlannedStep = found
      ? {
          derivation,
          hash,
          action: found.isPresent ? 'reuse' : 'substitute',
          outputs: found.outputs,
        }
      : { derivation, hash, action: derivation.fetch ? 'fetch' : 'build' }
    steps.set(derivation, step)
    return step
  }
  const needs = (drv: Derivation): Iterable<Derivation> =>
    stepOf(drv).outputs ? [] : Object.values(drv.inputs).map(input => input.derivation)
  const order = topologicalOrder(roots, needs, drv => labelOf(drv))
  return { steps: order.map(stepOf) }
}
