import { type Derivation, labelOf } from '../graph/derivation.ts'
import { MixosError } from '../graph/error.ts'
import { hashResolved } from '../graph/hash.ts'
import type { Outputs, Plan, PlannedStep } from '../graph/plan.ts'
import { digestOfPath, type ResolvedHash, type StorePath } from '../graph/store-path.ts'
import { builtin, isBuiltin } from './builtins/index.ts'
import { differences } from './compare.ts'
import type { Done } from './event.ts'
import { headOf, objectClosure } from './object-closure.ts'
import { pathLock } from './path-lock.ts'
import type { Realized, RealizeOptions } from './realize.ts'
import { removeTree } from './remove.ts'
import type { Sandbox } from './sandbox.ts'
import { type Slots, slotsOf } from './slots.ts'
import { asStoreError, type Store } from './store.ts'

// Of downloads, the network is what limits, not the processor.
const FETCHES = 8
// Of steps that wait for the disk rather than for a processor. Each holds a lock, and that is an open file.
const LIGHT = 32

/** One realization: each step's fate is one promise, made when something first needs the step. */
export class Run {
  readonly #store: Store
  readonly #options: RealizeOptions
  readonly #planned: ReadonlyMap<Derivation, PlannedStep>
  readonly #ranks: ReadonlyMap<Derivation, number>
  readonly #steps = new Map<Derivation, Promise<Outputs>>()
  readonly #builds: Slots
  /** Steps that hold their lock and are building, or are next to: more than builds, so that none waits for a lock. */
  readonly #nextBuilds: Slots
  readonly #fetches = slotsOf(FETCHES)
  readonly #light = slotsOf(LIGHT)
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #reported = new Set<unknown>()
  #failure: unknown
  #scratch: string | undefined
  #sandbox: Promise<Sandbox> | undefined

  constructor(store: Store, planned: Plan, options: RealizeOptions) {
    this.#store = store
    this.#options = options
    this.#planned = new Map(planned.steps.map(step => [step.derivation, step]))
    this.#ranks = ranksOf(planned)
    this.#builds = slotsOf(options.jobs)
    this.#nextBuilds = slotsOf(options.jobs + LIGHT)
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal])
  }

  async finish(roots: readonly Derivation[]): Promise<Realized> {
    await Promise.allSettled(roots.map(root => this.#outputsOf(root)))
    // What another root's failure left running ends before the store is let go.
    await Promise.allSettled(this.#steps.values())
    if (this.#failure !== undefined) throw this.#failure
    return new Map(
      await Promise.all(roots.map(async root => [root, await this.#outputsOf(root)] as const)),
    )
  }

  /** Builds again and throws NOT_REPRODUCIBLE, naming each file that differs, once all roots are compared. */
  async check(roots: readonly Derivation[]): Promise<void> {
    const found: string[] = []
    for (const root of new Set(roots)) {
      if (isBuiltin(root)) continue
      const first = await this.#outputsOf(root)
      const inputs = await this.#inputsOf(root)
      const again = await this.#build(root, inputs, this.#resolve(root, inputs), 1)
      for (const name of root.outputs) {
        found.push(...differences(this.#store, first[name] as StorePath, again[name] as StorePath))
      }
    }
    if (found.length === 0) return
    throw new MixosError(
      'NOT_REPRODUCIBLE',
      `built again, these differ:\n${found.map(line => `  ${line}`).join('\n')}`,
      {
        hint: 'both results are in the store: compare them, and make the builder depend on its inputs alone',
      },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sandbox = await this.#sandbox?.catch(() => undefined)
    sandbox?.[Symbol.dispose]()
    this.#store.syncFileSystem = undefined
    if (this.#scratch !== undefined) removeTree(this.#store.host, this.#scratch)
  }

  #outputsOf(drv: Derivation): Promise<Outputs> {
    const known = this.#steps.get(drv)
    if (known) return known
    const step = this.#take(drv).catch(error => {
      this.#fail(drv, error)
      throw error
    })
    this.#steps.set(drv, step)
    return step
  }

  /** The one place where a step changes its state: reused, or else fetched or built, then remembered. */
  async #take(drv: Derivation): Promise<Outputs> {
    const step = this.#stepOf(drv)
    if (step.outputs) return step.outputs
    const inputs = await this.#inputsOf(drv)
    const resolved = this.#resolve(drv, inputs)
    const rank = this.#ranks.get(drv) ?? 0
    const early = this.#store.trace(resolved)
    if (early)
      return this.#light.run(rank, () => this.#done(step, resolved, 'reused', early.outputs))
    if (step.action === 'fetch')
      return this.#fetches.run(rank, () => this.#takeAlone(step, inputs, resolved))
    if (isBuiltin(drv)) return this.#light.run(rank, () => this.#takeAlone(step, inputs, resolved))
    // Before a place is taken, since the tools may need one themselves.
    await this.#openSandbox()
    return this.#nextBuilds.run(rank, () => this.#takeAlone(step, inputs, resolved))
  }

  /** Makes a step unless someone else is making it or has made it. */
  async #takeAlone(step: PlannedStep, inputs: Inputs, resolved: ResolvedHash): Promise<Outputs> {
    const drv = step.derivation
    const waiting = () =>
      this.#options.report({ type: 'waiting', step: step.hash, label: labelOf(drv) })
    const { host, layout } = this.#store
    const lock = await pathLock(host, layout.lock(resolved), {
      signal: this.#signal,
      onWait: waiting,
    })
    try {
      const late = this.#store.trace(resolved)
      if (late) return await this.#done(step, resolved, 'reused', late.outputs)
      const outputs = await (isBuiltin(drv)
        ? this.#runBuiltin(drv, inputs)
        : this.#build(drv, inputs, resolved, 0))
      return await this.#done(
        step,
        resolved,
        step.action === 'fetch' ? 'fetched' : 'built',
        outputs,
      )
    } finally {
      lock.release()
    }
  }

  async #build(
    drv: Derivation,
    inputs: Inputs,
    resolved: ResolvedHash,
    attempt: number,
  ): Promise<Outputs> {
    const sandbox = await this.#openSandbox()
    // Loaded when something is built: a run with nothing to do loads neither this nor the sandbox.
    const { build, commit } = await import('./build.ts')
    const built = await this.#builds.run(this.#ranks.get(drv) ?? 0, () => {
      this.#started(drv)
      const { hash } = this.#stepOf(drv)
      const label = labelOf(drv)
      return build(this.#store, sandbox, {
        derivation: drv,
        hash,
        resolved,
        inputs,
        attempt,
        cores: this.#options.cores,
        keepFailed: this.#options.keepFailed ?? false,
        signal: this.#signal,
        onLine: line => this.#options.report({ type: 'log', step: hash, label, line }),
      })
    })
    // The next build need not wait until this one's outputs are on disk.
    return commit(drv, built)
  }

  async #runBuiltin(drv: Derivation, inputs: Inputs): Promise<Outputs> {
    const { report, mirrors } = this.#options
    const { host } = this.#store
    const run = await builtin(drv.builder[0] ?? '')
    this.#started(drv)
    const scratch = this.#store.scratch()
    try {
      const target = `${scratch}/out`
      const total = drv.fetch?.size ?? 0
      await run({
        store: this.#store,
        derivation: drv,
        inputs,
        target,
        mirrors,
        signal: this.#signal,
        onProgress: done => report({ type: 'progress', step: this.#stepOf(drv).hash, done, total }),
        warn: (message, hint) => report({ type: 'warning', message, ...(hint && { hint }) }),
      })
      const label = labelOf(drv)
      const closure = objectClosure(this.#store, Object.values(inputs))
      const candidates = new Map([...closure].map(path => [digestOfPath(path), path]))
      const path = await this.#store.add({ source: target, label, candidates, maker: label })
      return { [drv.outputs[0] as string]: path }
    } finally {
      removeTree(host, scratch)
    }
  }

  /** The sandbox, made of the tools when something first needs it. */
  #openSandbox(): Promise<Sandbox> {
    this.#sandbox ??= (async () => {
      const { bubblewrap, busybox } = this.#options.tools
      const [wrap, box] = await Promise.all([this.#outputsOf(bubblewrap), this.#outputsOf(busybox)])
      const tools = {
        bubblewrap: this.#store.hostPath(firstOf(bubblewrap, wrap)),
        busybox: `${this.#store.hostPath(firstOf(busybox, box))}/usr/bin/busybox`,
      }
      const { openSandbox } = await import('./sandbox.ts')
      this.#scratch = this.#store.scratch()
      const sandbox = await openSandbox(this.#store.host, tools, this.#scratch)
      this.#store.syncFileSystem = path => sandbox.syncFileSystem(path)
      return sandbox
    })()
    return this.#sandbox
  }

  async #inputsOf(drv: Derivation): Promise<Inputs> {
    const slots = Object.entries(drv.inputs)
    const outputs = await Promise.all(slots.map(([, input]) => this.#outputsOf(input.derivation)))
    return Object.fromEntries(
      slots.map(([slot, input], index) => [slot, outputs[index]?.[input.output] as StorePath]),
    )
  }

  #resolve(drv: Derivation, inputs: Inputs): ResolvedHash {
    const slots = new Map(
      Object.entries(drv.inputs).map(([slot, input]) => [input, inputs[slot] as StorePath]),
    )
    return hashResolved(drv, input => headOf(this.#store, slots.get(input) as StorePath).hash)
  }

  #stepOf(drv: Derivation): PlannedStep {
    const step = this.#planned.get(drv)
    if (!step) throw new Error(`${labelOf(drv)} is not part of the plan`)
    return step
  }

  #started(drv: Derivation): void {
    const { hash, action } = this.#stepOf(drv)
    this.#options.report({
      type: 'started',
      step: hash,
      label: labelOf(drv),
      action,
      at: this.#store.host.now(),
    })
  }

  async #done(
    step: PlannedStep,
    resolved: ResolvedHash,
    how: Done,
    outputs: Outputs,
  ): Promise<Outputs> {
    const label = labelOf(step.derivation)
    await this.#store.remember({ label, derivation: step.hash, resolved, outputs })
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
      const { hash } = this.#stepOf(drv)
      this.#options.report({
        type: 'failed',
        step: hash,
        label: labelOf(drv),
        error,
        at: this.#store.host.now(),
      })
    }
  }
}

type Inputs = Readonly<Record<string, StorePath>>

/** The object of a derivation's first output. */
export function firstOf(drv: Derivation, outputs: Outputs | undefined): StorePath {
  return outputs?.[drv.outputs[0] as string] as StorePath
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
