import { closureOf } from '../../graph/closure.ts'
import type { Derivation } from '../../graph/derivation.ts'
import { hashDerivation } from '../../graph/hash.ts'
import type { Known } from '../../graph/plan.ts'
import type { DerivationHash, StorePath } from '../../graph/store-path.ts'
import type { Store } from '../store.ts'
import type { Substitute, Substituter } from '../substituter.ts'
import type { Trace } from '../traces.ts'

/** What caches have, by what was asked. */
export type Substitutes = ReadonlyMap<DerivationHash, Substitute>

/** What is known before anything runs: what is here, and what was found in caches. */
export function knownIn(store: Store, substitutes: Substitutes): Known {
  const whole = new Set<StorePath>()
  return hash => {
    const trace = store.trace(hash, whole)
    if (trace) return { outputs: trace.outputs, isPresent: true }
    const found = substitutes.get(hash)
    if (!found) return undefined
    const paths = Object.entries(found.outputs).map(([name, { path }]) => [name, path])
    return { outputs: Object.fromEntries(paths), isPresent: false }
  }
}

/**
 * Asks for what is not here, from the roots down: whoever has the ISO is not asked for what it was made from.
 * All that can be asked at once is.
 */
export async function substitutesFor(
  store: Store,
  roots: readonly Derivation[],
  {
    substituter,
    repeated = new Set(),
  }: { substituter?: Substituter | undefined; repeated?: ReadonlySet<Derivation> },
): Promise<Substitutes> {
  const found = new Map<DerivationHash, Substitute>()
  if (!substituter) return found
  const seen = new Set<Derivation>()
  const whole = new Set<StorePath>()
  const visit = async (drv: Derivation): Promise<void> => {
    if (seen.has(drv)) return
    seen.add(drv)
    const hash = hashDerivation(drv)
    if (!repeated.has(drv)) {
      if (store.trace(hash, whole)) return
      const substitute = await substituter.find(hash)
      if (substitute && hasAll(drv, substitute)) {
        found.set(hash, substitute)
        return
      }
    }
    await visitAll(Object.values(drv.inputs).map(input => input.derivation))
  }
  const visitAll = async (drvs: readonly Derivation[]): Promise<void> => {
    await Promise.all(drvs.map(visit))
  }
  await visitAll(roots)
  return found
}

/** A signer who names other outputs means something else. */
export function hasAll(drv: Derivation, { outputs }: Substitute): boolean {
  const names = Object.keys(outputs)
  return names.length === drv.outputs.length && drv.outputs.every(name => names.includes(name))
}

/** What this store knows of the steps and of all that they were made from. */
export function tracesOf(store: Store, roots: readonly Derivation[]): Trace[] {
  const needs = (drv: Derivation) => Object.values(drv.inputs).map(input => input.derivation)
  const whole = new Set<StorePath>()
  const traces = [...closureOf(roots, needs)].flatMap(
    drv => store.trace(hashDerivation(drv), whole) ?? [],
  )
  // Equal steps of several packages are one.
  return [...new Map(traces.map(trace => [trace.derivation, trace])).values()]
}
