import { join } from 'node:path'
import { MixosError } from '../graph/error.ts'
import type { Host } from './host.ts'
import { attend, type Ended } from './sandbox/attend.ts'
import { type Bench, placeOf, prepare } from './sandbox/bench.ts'
import type { Limits } from './sandbox/limits.ts'
import type { Mounts } from './sandbox/mounts.ts'
import { outerArguments } from './sandbox/outer.ts'
import { makePipe } from './sandbox/pipe.ts'
import { openSpawner } from './sandbox/spawner.ts'
import { start } from './sandbox/start.ts'
import { checkTools, type SandboxTools } from './sandbox/tools.ts'
import { mustDrop } from './sandbox/unprivileged.ts'

export type { Limits, SandboxTools }

export const DEFAULT_LIMITS: Limits = {
  seconds: 2 * 60 * 60,
  silentSeconds: 30 * 60,
  logBytes: 64 * 2 ** 20,
  // What the machine can give.
  memoryBytes: Number.POSITIVE_INFINITY,
  processes: 4096,
}

/** One build. Only the user who runs the tool may be able to change what its host paths lead to. */
export interface BuildRequest extends Mounts {
  /** A program by its path inside, and its arguments. */
  readonly argv: readonly string[]
  /** All of the environment. */
  readonly env: Readonly<Record<string, string>>
  readonly limits: Limits
  readonly signal: AbortSignal
  /** Gets what it writes to stdout and stderr, in order. */
  onOutput(chunk: Buffer): void
}

/**
 * Runs builds that see nothing but what they are given: no network, no other process, no file of the
 * host. Several may run at once.
 */
export interface Sandbox {
  /** Where the directories that builds write to are: the caller makes and removes them. */
  readonly directory: string
  /**
   * Settles only after every process of the build has ended. Throws BUILD_LIMIT, CANCELLED, or
   * SANDBOX_UNAVAILABLE where this machine cannot do it: nothing ever runs outside the sandbox.
   */
  run(request: BuildRequest): Promise<Ended>
  /** To be called when no build runs any more. */
  [Symbol.dispose](): void
}

export interface SandboxOptions {
  /** A new or empty directory for this sandbox alone, which nobody else may enter; the caller removes it. */
  readonly scratch: string
  /** The directories in which everything is that builds get to read. */
  readonly readable: readonly string[]
}

/**
 * For root, each build runs as an otherwise unused user, and its writable directories change owner to that user.
 * Throws SANDBOX_UNAVAILABLE.
 */
export async function openSandbox(
  host: Host,
  tools: SandboxTools,
  { scratch, readable }: SandboxOptions,
): Promise<Sandbox> {
  checkTools(host, tools)
  const drops = mustDrop(host)
  const { bubblewrap, busybox } = tools
  const directory = join(scratch, 'sandbox')
  host.files.makeDirectory(directory)
  host.files.changeMode(directory, 0o711)
  const spawner = openSpawner(host, {
    busybox: outerArguments(host, { tools, drops, readable, writable: directory }),
    directory: bubblewrap,
    scratch: directory,
  })
  const bench: Bench = { host, tools, spawner, directory, drops }
  prepare(bench)
  const pipes = new Map<number, Promise<void>>()
  const busy = new Set<number>()
  return {
    directory,
    run: async request => {
      refuseAmbiguous(request)
      let slot = 0
      while (busy.has(slot)) slot++
      busy.add(slot)
      try {
        if (!pipes.has(slot)) pipes.set(slot, makePipe(spawner, busybox, placeOf(bench, slot).pipe))
        await pipes.get(slot)
        return await runIn(bench, slot, request)
      } finally {
        busy.delete(slot)
      }
    },
    [Symbol.dispose]: () => spawner[Symbol.dispose](),
  }
}

async function runIn(bench: Bench, slot: number, request: BuildRequest): Promise<Ended> {
  if (request.signal.aborted) throw new MixosError('CANCELLED', 'the build was cancelled')
  const place = placeOf(bench, slot)
  const { limits, signal } = request
  const started = start(bench, place, { ...request, processes: limits.processes })
  return attend(bench, place, started, {
    limits,
    signal,
    onOutput: chunk => request.onOutput(chunk),
  })
}

// Bubblewrap reads its arguments separated by NUL, so one that holds a NUL would become two.
function refuseAmbiguous({ argv, env }: BuildRequest): void {
  const nul = [...argv, ...Object.entries(env).flat()].find(text => text.includes('\0'))
  if (nul !== undefined) throw new Error(`a NUL byte in ${JSON.stringify(nul.slice(0, 40))}`)
}
