import { type Derivation, firstOutput } from '../graph/derivation.ts'
import { hashDerivation } from '../graph/hash.ts'
import { type Plan, plan } from '../graph/plan.ts'
import type { StorePath } from '../graph/store-path.ts'
import { isBuiltin } from './builtins/index.ts'
import { knownIn, substitutesFor } from './realize/known.ts'
import type { Realized, RealizeOptions, Tools } from './realize/options.ts'
import { Run } from './realize/run.ts'
import { addRoot } from './roots.ts'
import type { Store } from './store.ts'
import { asStoreError } from './store-error.ts'
import type { Substituter } from './substituter.ts'
import { usingStore } from './using-store.ts'

export interface PlanOptions {
  readonly tools: Tools
  readonly substituter?: Substituter | undefined
  /** Plan the roots' own steps even where their outputs are known. */
  readonly again?: boolean
}

/** What realizing the roots takes, tools included: the value that `realize` follows. */
export async function planOf(
  store: Store,
  roots: readonly Derivation[],
  { tools, substituter, again = false }: PlanOptions,
): Promise<Plan> {
  const repeated = new Set(again ? roots : [])
  const planWith = async (wanted: readonly Derivation[]): Promise<Plan> => {
    const found = await substitutesFor(store, wanted, { substituter, repeated })
    return plan(wanted, knownIn(store, found), repeated)
  }
  const planned = await planWith(roots)
  const needsSandbox = planned.steps.some(
    step => step.action === 'build' && !isBuiltin(step.derivation),
  )
  return needsSandbox ? planWith([tools.busybox, tools.bubblewrap, ...roots]) : planned
}

/**
 * Makes the outputs of the roots exist: reuses what is there, else fetches and builds, several at a time.
 *
 * Any number of processes may realize in one store at once; each step is taken by one of
 * them, and the others wait for it. Throws the first failure after all that runs has ended;
 * with `keepGoing`, after all that can be done is done. The roots that were made are linked
 * first. Aborting `signal` ends running builds and throws CANCELLED. What was finished stays.
 */
export async function realize(
  store: Store,
  roots: readonly Derivation[],
  options: RealizeOptions,
): Promise<Realized> {
  const work = usingStore(store, options, () => realizeAll(store, roots, options))
  return work.catch(error => {
    throw asStoreError(error, store.directory)
  })
}

async function realizeAll(
  store: Store,
  roots: readonly Derivation[],
  options: RealizeOptions,
): Promise<Realized> {
  const before = new Map(
    options.check ? roots.map(root => [root, store.trace(hashDerivation(root))]) : [],
  )
  const planned = await planOf(store, roots, { ...options, again: options.check })
  options.report({ type: 'planned', plan: planned })
  await using run = new Run(store, planned, options)
  const realized = await run.finish(roots)
  // Also after a failure: what was made for hours is not for the next collection.
  const unlinked = await linkAll(store, realized, options.links ?? new Map())
  run.throwIfFailed()
  if (unlinked.length > 0) throw unlinked[0]
  if (options.check) {
    const { check } = await import('./realize/check.ts')
    await check(store, roots, { again: root => run.again(root), before })
  }
  return realized
}

/** Where a root is linked, by output. */
export function linksOfOutputs(link: string, drv: Derivation): ReadonlyMap<string, string> {
  const at = (name: string) => (name === firstOutput(drv) ? link : `${link}-${name}`)
  return new Map(drv.outputs.map(name => [name, at(name)]))
}

/** Links what can be linked, and gives why the rest cannot. */
async function linkAll(
  store: Store,
  realized: Realized,
  links: ReadonlyMap<string, Derivation>,
): Promise<unknown[]> {
  const failures: unknown[] = []
  for (const [link, drv] of links) {
    const outputs = realized.get(drv)
    for (const [name, at] of outputs ? linksOfOutputs(link, drv) : []) {
      await addRoot(store, at, outputs?.[name] as StorePath).catch(error => failures.push(error))
    }
  }
  return failures
}
