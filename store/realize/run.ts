import { type Derivation, labelOf, type Output } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import { hashDerivation, hashResolved } from '../../graph/hash.ts'
import { type Outputs, type Plan, type PlannedStep, plan } from '../../graph/plan.ts'
import type { DerivationHash, ObjectHash, ResolvedHash, StorePath } from '../../graph/store-path.ts'
import { isBuiltin } from '../builtins/index.ts'
import type { Done } from '../event.ts'
import { headOf } from '../object-closure.ts'
import { type Slots, slotsOf } from '../slots.ts'
import type { Store } from '../store.ts'
import { asStoreError } from '../store-error.ts'
import { storeLock } from '../store-lock.ts'
import type { Substitute } from '../substituter.ts'
import type { Trace } from '../traces.ts'
import type { Twice } from './check.ts'
import { hasAll, knownIn, substitutesFor } from './known.ts'
import { forgetLog } from './logs.ts'
import { type Inputs, Maker } from './maker.ts'
import type { Realized, RealizeOptions } from './options.ts'

// Of downloads, the network is what limits, not the processor.
const FETCHES = 8
// Of steps that wait for the disk rather than for a processor. Each holds a lock, and that is an open file.
const LIGHT = 32

/** One realization: each step's fate is one promise, made when something first needs the step. */
export class Run {
  readonly #store: Store
  readonly #options: RealizeOptions
  readonly #planned: Map<Derivation, PlannedStep>
  readonly #ranks: ReadonlyMap<Derivation, number>
  /** What caches did not give after all. */
  readonly #refused = new Set<Derivation>()
  readonly #steps = new Map<Derivation, Promise<Outputs>>()
  /** Those of them whose outputs are here. */
  readonly #settled = new Set<Derivation>()
  /** Steps that hold their lock and are building, or are next to: more than builds, so that none waits for a lock. */
  readonly #nextBuilds: Slots
  readonly #fetches = slotsOf(FETCHES)
  readonly #light = slotsOf(LIGHT)
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #maker: Maker
  readonly #reported = new Set<unknown>()
  #failure: unknown

  constructor(store: Store, planned: Plan, options: RealizeOptions) {
    this.#store = store
    this.#options = options
    this.#planned = new Map(planned.steps.map(step => [step.derivation, step]))
    this.#ranks = ranksOf(planned)
    this.#nextBuilds = slotsOf(options.jobs + LIGHT)
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal])
    this.#store.findFileSystemSync = () => this.#findFileSystemSync()
    this.#maker = new Maker(store, {
      ...options,
      signal: this.#signal,
      outputsOf: drv => this.#outputsOf(drv),
      rankOf: drv => this.#ranks.get(drv) ?? 0,
    })
  }

  /** Takes all steps that can be taken, and gives what exists now. */
  async finish(roots: readonly Derivation[]): Promise<Realized> {
    const taken = await Promise.allSettled(
      roots.map(async root => [root, await this.#outputsOf(root)] as const),
    )
    // What another root's failure left running ends before the store is let go, and so does what that begins.
    for (let awaited = -1; awaited !== this.#steps.size; ) {
      awaited = this.#steps.size
      await Promise.allSettled(this.#steps.values())
    }
    return new Map(taken.flatMap(result => (result.status === 'fulfilled' ? [result.value] : [])))
  }

  /** Throws the first failure, if any. */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Makes a root once more, under other paths. */
  async again(root: Derivation): Promise<Twice> {
    const first = await this.#outputsOf(root)
    const inputs = await this.#inputsOf(root)
    const resolved = this.#resolve(root, hashesOf(this.#store, inputs))
    const { hash } = await this.#stepFor(root)
    const request = { derivation: root, hash, inputs, resolved, attempt: 1 }
    return { hash, resolved, first, again: await this.#maker.make(request) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#store.findFileSystemSync = undefined
    await this.#maker[Symbol.asyncDispose]()
  }

  /** Not worth a download that may fail, nor waiting for: who asks may hold a place that the tool's own step needs. */
  async #findFileSystemSync(): Promise<((path: string) => Promise<void>) | undefined> {
    const { busybox } = this.#options.tools
    const { action } = await this.#stepFor(busybox)
    if (action !== 'reuse' && !this.#settled.has(busybox)) return undefined
    const { fileSystemSync } = await import('../disk/sync-file-system.ts')
    return fileSystemSync(this.#store.host, await this.#maker.busybox())
  }

  #outputsOf(drv: Derivation): Promise<Outputs> {
    const known = this.#steps.get(drv)
    if (known) return known
    const step = this.#take(drv).then(
      outputs => {
        this.#settled.add(drv)
        return outputs
      },
      error => {
        this.#fail(drv, error)
        throw error
      },
    )
    this.#steps.set(drv, step)
    return step
  }

  /** The one place where a step changes its state: reused, or else substituted, fetched or built, then remembered. */
  async #take(drv: Derivation): Promise<Outputs> {
    const step = await this.#stepFor(drv)
    if (step.action === 'reuse' && step.outputs) return step.outputs
    if (step.action === 'substitute') {
      const substitute = await this.#substituteFor(step.hash, drv)
      const outputs = substitute && (await this.#substitute(step, substitute, substitute.resolved))
      if (outputs) return outputs
      if (this.#options.onlySubstitute) throw notKept(drv)
      this.#refused.add(drv)
      await this.#extend(drv)
    }
    return this.#make(drv)
  }

  async #make(drv: Derivation): Promise<Outputs> {
    const step = await this.#stepFor(drv)
    const rank = this.#ranks.get(drv) ?? 0
    const expected = this.#resolve(drv, await this.#identify(drv))
    const known = await this.#knownAs(step, expected)
    if (known) return known
    // Only now are the inputs needed themselves.
    const inputs = await this.#inputsOf(drv)
    const resolved = this.#resolve(drv, hashesOf(this.#store, inputs))
    const late = resolved === expected ? undefined : await this.#knownAs(step, resolved)
    if (late) return late
    if (step.action === 'fetch')
      return this.#fetches.run(rank, () => this.#takeAlone(step, inputs, resolved))
    if (isBuiltin(drv)) return this.#light.run(rank, () => this.#takeAlone(step, inputs, resolved))
    // Before a place is taken, since the tools may need one themselves.
    await this.#maker.openSandbox()
    return this.#nextBuilds.run(rank, () => this.#takeAlone(step, inputs, resolved))
  }

  /** Early cutoff: what these inputs became before, here or elsewhere. */
  async #knownAs(step: PlannedStep, resolved: ResolvedHash): Promise<Outputs | undefined> {
    const { derivation } = step
    const here = this.#store.trace(resolved)
    if (here) {
      // What is there is of a build that failed.
      if (here.derivation !== step.hash) forgetLog(this.#store, step.hash)
      const rank = this.#ranks.get(derivation) ?? 0
      return this.#light.run(rank, () => this.#done(step, resolved, 'reused', here))
    }
    const substitute = await this.#substituteFor(resolved, derivation)
    return substitute && this.#substitute(step, substitute, resolved)
  }

  async #substituteFor(
    hash: ResolvedHash | DerivationHash,
    drv: Derivation,
  ): Promise<Substitute | undefined> {
    const { substituter } = this.#options
    if (!substituter || this.#refused.has(drv)) return undefined
    const found = await substituter.find(hash)
    return found && hasAll(drv, found) ? found : undefined
  }

  /** Undefined where no cache gives what it has promised. */
  async #substitute(
    step: PlannedStep,
    substitute: Substitute,
    resolved: ResolvedHash | undefined,
  ): Promise<Outputs | undefined> {
    const { substituter, report } = this.#options
    const label = labelOf(step.derivation)
    const at = this.#store.host.now()
    report({ type: 'started', step: step.hash, label, action: 'substitute', at })
    let done = 0
    const isHere = await substituter?.fetch(substitute, count => {
      done += count
      report({ type: 'progress', step: step.hash, done, total: 0 })
    })
    if (!isHere) return undefined
    forgetLog(this.#store, step.hash)
    const outputs = Object.fromEntries(
      Object.entries(substitute.outputs).map(([name, { path }]) => [name, path]),
    )
    const { statements } = substitute
    return this.#done(step, resolved, 'substituted', { outputs, statements })
  }

  /** Plans what a step takes after all, when no cache gives its outputs. */
  async #extend(drv: Derivation): Promise<void> {
    const repeated = this.#refused
    const { substituter } = this.#options
    const found = await substitutesFor(this.#store, [drv], { substituter, repeated })
    const { steps } = plan([drv], knownIn(this.#store, found), repeated)
    for (const step of steps) {
      const known = this.#planned.get(step.derivation)
      if (!known || this.#refused.has(step.derivation)) this.#planned.set(step.derivation, step)
    }
  }

  /** The object that each input is or is going to be. Those that a cache has need not be here for that. */
  async #identify(drv: Derivation): Promise<Hashes> {
    const slots = Object.entries(drv.inputs)
    const hashes = await Promise.all(slots.map(([, input]) => this.#hashOf(input)))
    return Object.fromEntries(slots.map(([slot], index) => [slot, hashes[index] as ObjectHash]))
  }

  async #hashOf({ derivation, output }: Output): Promise<ObjectHash> {
    const step = await this.#stepFor(derivation)
    if (step.action === 'substitute' && !this.#steps.has(derivation)) {
      const found = await this.#substituteFor(step.hash, derivation)
      const promised = found?.outputs[output]
      if (promised) return promised.hash
    }
    const outputs = await this.#outputsOf(derivation)
    return headOf(this.#store, outputs[output] as StorePath).hash
  }

  /** Makes a step unless someone else is making it or has made it. */
  async #takeAlone(step: PlannedStep, inputs: Inputs, resolved: ResolvedHash): Promise<Outputs> {
    const drv = step.derivation
    const waiting = () =>
      this.#options.report({ type: 'waiting', step: step.hash, label: labelOf(drv) })
    const lock = await storeLock(this.#store, resolved, {
      signal: this.#signal,
      onWait: waiting,
    })
    try {
      const late = this.#store.trace(resolved)
      if (late) return await this.#done(step, resolved, 'reused', late)
      const outputs = await this.#maker.make({ derivation: drv, hash: step.hash, inputs, resolved })
      return await this.#done(step, resolved, step.action === 'fetch' ? 'fetched' : 'built', {
        outputs,
      })
    } finally {
      lock.release()
    }
  }

  async #inputsOf(drv: Derivation): Promise<Inputs> {
    const slots = Object.entries(drv.inputs)
    const outputs = await Promise.all(slots.map(([, input]) => this.#outputsOf(input.derivation)))
    return Object.fromEntries(
      slots.map(([slot, input], index) => [slot, outputs[index]?.[input.output] as StorePath]),
    )
  }

  #resolve(drv: Derivation, inputs: Hashes): ResolvedHash {
    const slots = new Map(
      Object.entries(drv.inputs).map(([slot, input]) => [input, inputs[slot] as ObjectHash]),
    )
    return hashResolved(drv, input => slots.get(input) as ObjectHash)
  }

  async #stepFor(drv: Derivation): Promise<PlannedStep> {
    if (!this.#planned.has(drv)) await this.#extend(drv)
    return this.#stepOf(drv)
  }

  #stepOf(drv: Derivation): PlannedStep {
    const step = this.#planned.get(drv)
    if (!step) throw new Error(`${labelOf(drv)} is not part of the plan`)
    return step
  }

  async #done(
    step: PlannedStep,
    resolved: ResolvedHash | undefined,
    how: Done,
    { outputs, statements }: Pick<Trace, 'outputs' | 'statements'>,
  ): Promise<Outputs> {
    const label = labelOf(step.derivation)
    // Signers who agree on the outputs may not agree on what they were made from: then it is not remembered.
    if (resolved)
      await this.#store.remember({
        ...{ label, derivation: step.hash, resolved, outputs },
        ...(statements && { statements }),
      })
    this.#options.report({
      type: 'done',
      step: step.hash,
      label,
      how,
      outputs,
      at: this.#store.host.now(),
    })
    return outputs
  }

  /** Notes a failure where it arises; what depends on the step fails with the same error, silently. */
  #fail(drv: Derivation, error: unknown): void {
    if (this.#failure === error || this.#reported.has(error)) return
    this.#reported.add(error)
    const isEcho = error instanceof MixosError && error.code === 'CANCELLED'
    if (isEcho && this.#failure !== undefined) return
    this.#failure ??= asStoreError(error, this.#store.directory)
    if (!this.#options.keepGoing) this.#stop.abort()
    if (error instanceof MixosError && !isEcho) {
      this.#options.report({
        type: 'failed',
        step: hashDerivation(drv),
        label: labelOf(drv),
        error,
        at: this.#store.host.now(),
      })
    }
  }
}

type Hashes = Readonly<Record<string, ObjectHash>>

function hashesOf(store: Store, inputs: Inputs): Hashes {
  const hashes = Object.entries(inputs).map(([slot, path]) => [slot, headOf(store, path).hash])
  return Object.fromEntries(hashes)
}

/** How urgent each step is: minus the number of steps on the longest way from it to a root. */
function ranksOf({ steps }: Plan): Map<Derivation, number> {
  const ranks = new Map<Derivation, number>()
  for (const { derivation } of [...steps].reverse()) {
    const own = ranks.get(derivation) ?? 0
    ranks.set(derivation, own)
    for (const input of Object.values(derivation.inputs)) {
      ranks.set(input.derivation, Math.min(ranks.get(input.derivation) ?? 0, own - 1))
    }
  }
  return ranks
}

function notKept(drv: Derivation): MixosError {
  return new MixosError('OBJECT_UNKNOWN', `no cache gave ${labelOf(drv)}, though one promised it`, {
    hint: 'look at: mixos cache info; or build it, with mixos realize',
  })
}
