import { type Derivation, labelOf } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import type { Outputs } from '../../graph/plan.ts'
import type { DerivationHash, ResolvedHash, StorePath } from '../../graph/store-path.ts'
import type { Store } from '../store.ts'
import type { Trace } from '../traces.ts'
import { verify } from '../verify.ts'
import { differences } from './compare.ts'

/** A step that was made once more. */
export interface Twice {
  readonly hash: DerivationHash
  readonly resolved: ResolvedHash
  readonly first: Outputs
  readonly again: Outputs
}

export interface CheckOptions {
  readonly again: (root: Derivation) => Promise<Twice>
  /** What was known of the roots before this run. */
  readonly before: ReadonlyMap<Derivation, Trace | undefined>
}

/**
 * Makes the roots again and throws NOT_REPRODUCIBLE, naming each file that differs, once all are compared: also with
 * what was known of them before this run, since this one may have built them already. OBJECT_INVALID says that something
 * is damaged. What was taken from a cache and comes out the same counts as made here from then on.
 */
export async function check(
  store: Store,
  roots: readonly Derivation[],
  { again, before }: CheckOptions,
): Promise<void> {
  const found: string[] = []
  const damaged: string[] = []
  let isTaken = false
  for (const root of new Set(roots)) {
    const twice = await again(root)
    const known = before.get(root) ?? store.trace(twice.hash)
    const differing: string[] = []
    for (const name of root.outputs) {
      const after = twice.again[name] as StorePath
      const others = new Set([known?.outputs[name] ?? after, twice.first[name] as StorePath])
      for (const other of others) differing.push(...differences(store, other, after))
      // What the records say may not be what is on the disk.
      const { problems } = await verify(store, { paths: [...others] })
      for (const { at, message } of problems) damaged.push(`${at}: ${message}`)
    }
    found.push(...differing)
    if (!known?.statements) continue
    const { hash, resolved } = twice
    const trace = { label: labelOf(root), derivation: hash, resolved, outputs: twice.again }
    if (differing.length > 0) isTaken = true
    else await store.remember(trace)
  }
  if (damaged.length > 0) throw damagedError(damaged)
  if (found.length > 0) throw notReproducible(found, isTaken)
}

/** That is no fault of the builder. */
function damagedError(lines: readonly string[]): MixosError {
  const list = lines.map(line => `  ${line}`).join('\n')
  return new MixosError('OBJECT_INVALID', `what was here is damaged:\n${list}`, {
    hint: 'delete it with: mixos verify --drop; then realize and check again',
  })
}

/** `isTaken` says that what was here came from a cache. */
function notReproducible(lines: readonly string[], isTaken: boolean): MixosError {
  const [what, hint] = isTaken
    ? [
        'these differ from what was taken from a cache',
        'either the builder does not depend on its inputs alone, or who signed for it is not to be believed: mixos cache trust list, and then: mixos cache trust forget KEY',
      ]
    : [
        'these differ',
        'both results are in the store: compare them, and make the builder depend on its inputs alone',
      ]
  const list = lines.map(line => `  ${line}`).join('\n')
  return new MixosError('NOT_REPRODUCIBLE', `built again, ${what}:\n${list}`, { hint })
}
