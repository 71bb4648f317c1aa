import { type Derivation, labelOf } from '../../graph/derivation.ts'
import { type ErrorCode, MixosError } from '../../graph/error.ts'
import type { Outputs } from '../../graph/plan.ts'
import {
  type DerivationHash,
  digestOfPath,
  type ResolvedHash,
  type StorePath,
} from '../../graph/store-path.ts'
import { builtin, isBuiltin } from '../builtins/index.ts'
import { discardTree } from '../disk/remove.ts'
import { reasonOf } from '../disk/system-error.ts'
import { objectClosure } from '../object-closure.ts'
import type { Sandbox } from '../sandbox.ts'
import { type Slots, slotsOf } from '../slots.ts'
import type { Store } from '../store.ts'
import { asStoreError } from '../store-error.ts'
import { openLog } from './logs.ts'
import type { RealizeOptions } from './options.ts'

/** The object of each input. */
export type Inputs = Readonly<Record<string, StorePath>>

/** A step whose inputs are here. */
export interface Making {
  readonly derivation: Derivation
  readonly hash: DerivationHash
  readonly inputs: Inputs
  readonly resolved: ResolvedHash
  /** See BuildOptions. */
  readonly attempt?: number
}

export interface MakerOptions extends RealizeOptions {
  /** Makes the tools of the sandbox exist. */
  readonly outputsOf: (drv: Derivation) => Promise<Outputs>
  readonly rankOf: (drv: Derivation) => number
}

/** Fetches and builds: makes the outputs of steps, in this process or in a sandbox. */
export class Maker {
  readonly #store: Store
  readonly #options: MakerOptions
  readonly #builds: Slots
  #scratch: string | undefined
  #sandbox: Promise<Sandbox> | undefined

  constructor(store: Store, options: MakerOptions) {
    this.#store = store
    this.#options = options
    this.#builds = slotsOf(options.jobs)
  }

  async make(step: Making): Promise<Outputs> {
    try {
      return await (isBuiltin(step.derivation) ? this.#runBuiltin(step) : this.#build(step))
    } catch (error) {
      const told = asInputError(error, this.#store) ?? asStoreError(error, this.#store.directory)
      throw withLabel(told, labelOf(step.derivation))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sandbox = await this.#sandbox?.catch(() => undefined)
    sandbox?.[Symbol.dispose]()
    if (this.#scratch !== undefined)
      discardTree(this.#store.host, this.#scratch, this.#options.report)
  }

  async #build(step: Making): Promise<Outputs> {
    const { cores, keepFailed = false, signal, report, rankOf } = this.#options
    const { derivation, hash, attempt = 0 } = step
    const sandbox = await this.openSandbox()
    // Loaded when something is built: a run with nothing to do loads neither this nor the sandbox.
    const { build, commit } = await import('./build.ts')
    const label = labelOf(derivation)
    const onLine = (line: string): void => report({ type: 'log', step: hash, label, line })
    const built = await this.#builds.run(rankOf(derivation), () => {
      this.#started(step, 'build')
      const options = { ...step, attempt, cores, keepFailed, signal, onLine, report }
      return build(this.#store, sandbox, options)
    })
    // The next build need not wait until this one's outputs are on disk.
    return commit(derivation, built)
  }

  async #runBuiltin(step: Making): Promise<Outputs> {
    const { report, mirrors, signal } = this.#options
    const { derivation, inputs, hash } = step
    const name = derivation.builder[0] ?? ''
    const run = await builtin(name)
    const { outputs } = derivation
    if (outputs.length > 1)
      throw new MixosError(
        'DERIVATION_INVALID',
        `${name} has one output, not ${outputs.join(', ')}`,
      )
    const label = labelOf(derivation)
    this.#started(step, derivation.fetch ? 'fetch' : 'build')
    const scratch = this.#store.scratch()
    const log = openLog(this.#store, hash, () => undefined)
    const write = (line: string): void => log.write(Buffer.from(`${line}\n`))
    try {
      write(`mixos itself takes this step: ${name}`)
      const target = `${scratch}/out`
      const total = derivation.fetch?.size ?? 0
      await run({
        store: this.#store,
        derivation,
        inputs,
        target,
        mirrors,
        signal,
        onProgress: done => report({ type: 'progress', step: hash, done, total }),
        warn: (message, hint) => {
          write(message)
          report({ type: 'warning', message, ...(hint && { hint }) })
        },
        log: write,
      })
      const closure = objectClosure(this.#store, Object.values(inputs))
      const candidates = new Map([...closure].map(path => [digestOfPath(path), path]))
      const path = await this.#store.add({
        source: target,
        inPlace: true,
        label,
        candidates,
        maker: label,
      })
      return { [derivation.outputs[0] as string]: path }
    } finally {
      log.close()
      discardTree(this.#store.host, scratch, report)
    }
  }

  /** The sandbox, made of the tools when something first needs it. */
  openSandbox(): Promise<Sandbox> {
    const { tools, outputsOf } = this.#options
    this.#sandbox ??= (async () => {
      const [outputs, busybox] = await Promise.all([outputsOf(tools.bubblewrap), this.busybox()])
      const bubblewrap = this.#store.hostPath(firstOf(tools.bubblewrap, outputs))
      const { openSandbox } = await import('../sandbox.ts')
      this.#scratch = this.#store.scratch()
      return openSandbox(
        this.#store.host,
        { bubblewrap, busybox },
        { scratch: this.#scratch, readable: [this.#store.layout.objects] },
      )
    })()
    return this.#sandbox
  }

  /** The static BusyBox, on this machine. */
  async busybox(): Promise<string> {
    const { tools, outputsOf } = this.#options
    const object = firstOf(tools.busybox, await outputsOf(tools.busybox))
    return `${this.#store.hostPath(object)}/usr/bin/busybox`
  }

  #started({ derivation, hash }: Making, action: 'build' | 'fetch'): void {
    const at = this.#store.host.now()
    this.#options.report({ type: 'started', step: hash, label: labelOf(derivation), action, at })
  }
}

/** What the file system says of an object that is a tree and not a file, or the other way round. */
function asInputError(error: unknown, { layout }: Store): MixosError | undefined {
  const { code = '', path } = error as NodeJS.ErrnoException
  if (!['ENOTDIR', 'EISDIR', 'ELOOP'].includes(code)) return undefined
  if (!path?.startsWith(`${layout.objects}/`)) return undefined
  return new MixosError('DERIVATION_INVALID', `an input is of another kind: ${reasonOf(error)}`, {
    hint: 'give the step what it can read there: a file or a tree',
    cause: error,
  })
}

// Those who find these do not know the step.
const UNNAMED: readonly ErrorCode[] = ['DERIVATION_INVALID', 'FILE_UNAVAILABLE']

function withLabel(error: unknown, label: string): unknown {
  if (!(error instanceof MixosError) || !UNNAMED.includes(error.code)) return error
  const { code, message, hint, cause } = error
  return new MixosError(code, `${label}: ${message}`, { hint, cause })
}

/** The object of a derivation's first output. */
function firstOf(drv: Derivation, outputs: Outputs | undefined): StorePath {
  return outputs?.[drv.outputs[0] as string] as StorePath
}
