import { join } from 'node:path'
import { blake3Hex } from '../../graph/blake3.ts'
import { topologicalOrder } from '../../graph/closure.ts'
import { type Derivation, labelOf } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import type { Outputs } from '../../graph/plan.ts'
import {
  absolute,
  type DerivationHash,
  type Digest,
  digestOf,
  digestOfPath,
  type ResolvedHash,
  type StorePath,
} from '../../graph/store-path.ts'
import { discardTree } from '../disk/remove.ts'
import type { Report } from '../event.ts'
import { objectClosure } from '../object-closure.ts'
import { digestsIn } from '../references.ts'
import { DEFAULT_LIMITS, type Sandbox } from '../sandbox.ts'
import type { Prepared, Store } from '../store.ts'
import { checkSizes } from './build-sizes.ts'
import { openLog } from './logs.ts'

export interface BuildOptions {
  readonly derivation: Derivation
  readonly hash: DerivationHash
  readonly resolved: ResolvedHash
  /** The object of each input. */
  readonly inputs: Readonly<Record<string, StorePath>>
  readonly cores: number
  readonly keepFailed: boolean
  readonly signal: AbortSignal
  /** Another number builds under other paths: what differs then depends on its own path. */
  readonly attempt: number
  onLine(line: string): void
  readonly report: Report
}

// The same for every build on every machine; a derivation may override each.
const FIXED = {
  PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
  SOURCE_DATE_EPOCH: '315532800',
  TZ: 'UTC',
  LC_ALL: 'C',
  HOME: '/homeless',
  TMPDIR: '/build',
}

/** What a build left, copied for the store but not yet part of it. */
export type Built = ReadonlyMap<string, Prepared>

/**
 * Runs one derivation in one sandbox and prepares its outputs. Throws BUILD_FAILED with the last lines and the
 * log's path, BUILD_LIMIT, BUILD_OUTPUT_MISSING or BUILD_OUTPUT_INVALID, and DERIVATION_INVALID, without the step's
 * label, for a root that is a file.
 */
export async function build(store: Store, sandbox: Sandbox, options: BuildOptions): Promise<Built> {
  const { derivation, hash, inputs, signal } = options
  const { files } = store.host
  if (inputs.root && files.lstat(store.hostPath(inputs.root))?.isDirectory() === false)
    throw new MixosError('DERIVATION_INVALID', 'its input root is no directory')
  const scratch = join(sandbox.directory, store.host.randomHex(20))
  const [buildDirectory, storeDirectory] = [`${scratch}-build`, `${scratch}-store`]
  const directories = [buildDirectory, storeDirectory]
  for (const path of directories) files.makeDirectory(path)
  const built = outputsWhileBuilding(options)
  const closure = objectClosure(store, new Set(Object.values(inputs)))
  const env = environmentOf(options, built)
  const argv = argvOf(derivation, inputs)
  checkSizes(store.host, derivation, { closure, env, argv })
  const log = openLog(store, hash, options.onLine)
  try {
    const running = sandbox.run({
      argv,
      env,
      storeDirectory,
      buildDirectory,
      inputs: [...closure].map(path => ({ hostPath: store.hostPath(path), path })),
      ...(inputs.root && { root: store.hostPath(inputs.root) }),
      limits: DEFAULT_LIMITS,
      signal,
      onOutput: chunk => log.write(chunk),
    })
    // What it was given to write to it may have closed.
    const status = await running.finally(() => {
      for (const path of directories) files.changeMode(path, 0o755)
    })
    if (status.code !== 0) throw buildFailed(options, status, log)
    for (const [name, path] of Object.entries(built)) {
      if (files.lstat(join(storeDirectory, path))) continue
      throw new MixosError(
        'BUILD_OUTPUT_MISSING',
        `${labelOf(derivation)} wrote nothing to its output ${name}`,
        {
          hint: `the builder must create $${name}; see its log: ${log.path}`,
        },
      )
    }
    return prepareOutputs(store, { ...options, built, storeDirectory, closure })
  } catch (error) {
    const told = named(error, { maker: labelOf(derivation), log: log.path })
    throw options.keepFailed ? keptFailed(store, told, buildDirectory) : told
  } finally {
    log.close()
    for (const path of directories) discardTree(store.host, path, options.report)
  }
}

/** Under which path each output is built: of the final path's length, and the same on every machine. */
function outputsWhileBuilding({
  derivation,
  resolved,
  attempt,
}: BuildOptions): Record<string, StorePath> {
  const path = (name: string): StorePath => {
    const digest = digestOf(
      blake3Hex(`mixos-scratch-1 ${resolved} ${name} ${attempt}`) as ResolvedHash,
    )
    return `${digest}-${labelOf(derivation, name)}` as StorePath
  }
  return Object.fromEntries(derivation.outputs.map(name => [name, path(name)]))
}

function argvOf(derivation: Derivation, inputs: BuildOptions['inputs']): string[] {
  const [program = '', ...rest] = derivation.builder
  if (program.startsWith('/')) return [program, ...rest]
  const [slot = '', ...path] = program.split('/')
  return [join(absolute(inputs[slot] as StorePath), ...path), ...rest]
}

function environmentOf(
  { derivation, inputs, cores }: BuildOptions,
  built: Record<string, StorePath>,
): Record<string, string> {
  const paths = Object.entries({ ...inputs, ...built }).map(([name, path]) => [
    name,
    absolute(path),
  ])
  return { ...FIXED, ...derivation.env, ...Object.fromEntries(paths), BUILD_CORES: String(cores) }
}

interface Left extends BuildOptions {
  readonly built: Readonly<Record<string, StorePath>>
  readonly storeDirectory: string
  readonly closure: ReadonlySet<StorePath>
}

function prepareOutputs(store: Store, options: Left): Built {
  const { derivation, built, storeDirectory, closure } = options
  const maker = labelOf(derivation)
  const candidates = new Map<Digest, StorePath>(
    [...closure].map(path => [digestOfPath(path), path]),
  )
  const prepared = new Map<string, Prepared>()
  try {
    for (const name of outputOrder(store, options)) {
      const path = built[name] as StorePath
      const self = digestOfPath(path)
      const source = join(storeDirectory, path)
      const label = labelOf(derivation, name)
      const output = store.prepare({ source, label, self, candidates, maker })
      prepared.set(name, output)
      candidates.set(self, output.path)
    }
    return prepared
  } catch (error) {
    for (const output of prepared.values()) output.discard()
    throw error
  }
}

/** Makes the outputs objects, each after those it refers to, and gives their paths in the derivation's order. */
export async function commit(derivation: Derivation, built: Built): Promise<Outputs> {
  const left = [...built.values()]
  try {
    for (let next = left.shift(); next; next = left.shift()) await next.commit()
  } finally {
    for (const output of left) output.discard()
  }
  return Object.fromEntries(
    derivation.outputs.map(name => [name, (built.get(name) as Prepared).path]),
  )
}

/** Outputs after those they refer to, since a reference is rewritten to the final path. Throws CYCLE. */
function outputOrder(store: Store, { derivation, built, storeDirectory }: Left): readonly string[] {
  if (derivation.outputs.length === 1) return derivation.outputs
  const names = new Map(Object.entries(built).map(([name, path]) => [digestOfPath(path), name]))
  const needs = (name: string): string[] => {
    const own = built[name] as StorePath
    const others = [...names.keys()].filter(digest => digest !== digestOfPath(own))
    const found = digestsIn(store.host, join(storeDirectory, own), others)
    return [...found].sort().map(digest => names.get(digest) as string)
  }
  const nameOf = (name: string): string => `output ${name} of ${labelOf(derivation)}`
  try {
    return topologicalOrder(derivation.outputs, needs, nameOf)
  } catch (error) {
    if (!(error instanceof MixosError)) throw error
    throw new MixosError(error.code, error.message, {
      hint: 'let only one of them name the other, or make them one output',
    })
  }
}

function buildFailed(
  { derivation }: BuildOptions,
  { code, signal }: { code: number | null; signal: string | null },
  log: { path: string; lastLines(): string[] },
): MixosError {
  const how = signal ? `was killed by ${signal}` : `failed with exit code ${code}`
  const lines = log.lastLines()
  const shown =
    lines.length > 0
      ? `; its last lines:\n${lines.map(line => `  ${line}`).join('\n')}`
      : ' and printed nothing'
  return new MixosError('BUILD_FAILED', `${labelOf(derivation)} ${how}${shown}`, {
    hint:
      lines.length > 0
        ? `read the whole log: ${log.path}`
        : 'let it say more, such as by set -x, or look at what it leaves with --keep-failed',
  })
}

/** A limit is noticed by who does not know whose it is. */
function named(error: unknown, { maker, log }: { maker: string; log: string }): unknown {
  if (!(error instanceof MixosError) || error.code !== 'BUILD_LIMIT') return error
  const hint = [error.hint, `its log: ${log}`].filter(Boolean).join('; ')
  return new MixosError(error.code, `${maker}: ${error.message}`, { hint, cause: error.cause })
}

/** Takes the build directory to where nothing removes it but the next collection of garbage. */
function keptFailed(store: Store, error: unknown, directory: string): unknown {
  if (!(error instanceof MixosError)) return error
  const kept = join(store.scratch(), 'build')
  store.host.files.rename(directory, kept)
  const hint = `the build directory was kept: ${kept}`
  return new MixosError(error.code, error.message, {
    hint: error.hint ? `${error.hint}\n${hint}` : hint,
    cause: error.cause,
  })
}
