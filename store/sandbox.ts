import { once } from 'node:events'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { MixosError } from '../graph/error.ts'
import type { Host } from './host.ts'
import { Descriptors } from './sandbox/descriptors.ts'
import { BUSYBOX, launch } from './sandbox/launch.ts'
import { type Limits, watch } from './sandbox/limits.ts'
import { type Mounts, mountArguments } from './sandbox/mounts.ts'
import { makePipe, openPipe } from './sandbox/pipe.ts'
import { type Ended, readReport, waitUntilGone } from './sandbox/report.ts'
import { seccompFilter } from './sandbox/seccomp.ts'
import { BUBBLEWRAP, checkTools, type SandboxTools } from './sandbox/tools.ts'
import { unavailable } from './sandbox/unavailable.ts'
import { dropArguments, mustDrop, uidOf } from './sandbox/unprivileged.ts'

export type { Limits, SandboxTools }

export const DEFAULT_LIMITS: Limits = {
  seconds: 2 * 60 * 60,
  silentSeconds: 30 * 60,
  logBytes: 64 * 2 ** 20,
  memoryBytes: totalmem(),
  processes: 4096,
}

/** One build. Host paths may not be writable for anyone but the user who runs the tool. */
export interface BuildRequest extends Mounts {
  /** A program by its path inside, and its arguments. */
  readonly argv: readonly string[]
  /** All of the environment. */
  readonly env: Readonly<Record<string, string>>
  readonly limits: Limits
  readonly signal: AbortSignal
  /** What it writes to stdout and stderr, in order. */
  readonly onOutput: (chunk: Buffer) => void
}

/**
 * Runs builds that see nothing but what they are given: no network, no other process, no file of the
 * host. Safe to use for several builds at once.
 */
export interface Sandbox {
  /**
   * Resolves or rejects only after every process of the build has ended. Throws BUILD_LIMIT, CANCELLED,
   * or SANDBOX_UNAVAILABLE where this machine cannot do it: nothing ever runs outside the sandbox.
   */
  run(request: BuildRequest): Promise<Ended>
}

/**
 * `scratch` is a directory that nobody else uses, also no other process of this tool; the caller removes
 * it. Run as root, builds get another user id each, and their writable directories change owner to it.
 */
export async function openSandbox(
  host: Host,
  tools: SandboxTools,
  scratch: string,
): Promise<Sandbox> {
  checkTools(host, tools)
  const bench: Bench = {
    host,
    tools,
    scratch,
    drops: mustDrop(host),
    firstUid: Number.parseInt(host.randomHex(4), 16),
  }
  prepare(bench)
  const slots = new Map<number, Promise<void>>()
  const busy = new Set<number>()
  return {
    run: async request => {
      check(request)
      let slot = 0
      while (busy.has(slot)) slot++
      busy.add(slot)
      try {
        if (!slots.has(slot)) slots.set(slot, makePipe(host, tools.busybox, pipeOf(bench, slot)))
        await slots.get(slot)
        return await runIn(bench, slot, request)
      } finally {
        busy.delete(slot)
      }
    },
  }
}

interface Bench {
  readonly host: Host
  readonly tools: SandboxTools
  readonly scratch: string
  readonly drops: boolean
  readonly firstUid: number
}

const etcOf = ({ scratch }: Bench): string => join(scratch, 'etc')
const filterOf = ({ scratch }: Bench): string => join(scratch, 'seccomp')
const pipeOf = ({ scratch }: Bench, slot: number): string => join(scratch, `pipe-${slot}`)
const reportOf = ({ scratch }: Bench, slot: number): string => join(scratch, `report-${slot}`)
const argumentsOf = ({ scratch }: Bench, slot: number): string => join(scratch, `arguments-${slot}`)

const ETC = {
  passwd: [
    'root:x:0:0:root:/:/noshell',
    'builder:x:1000:100:builder:/homeless:/noshell',
    'nobody:x:65534:65534:nobody:/:/noshell',
  ],
  group: ['root:x:0:', 'users:x:100:', 'nogroup:x:65534:'],
  hosts: ['127.0.0.1 localhost', '::1 localhost'],
}

function prepare(bench: Bench): void {
  const { files } = bench.host
  files.makeDirectory(etcOf(bench))
  files.changeMode(etcOf(bench), 0o755)
  for (const [name, lines] of Object.entries(ETC)) {
    const path = join(etcOf(bench), name)
    files.writeNew(path, `${lines.join('\n')}\n`)
    files.changeMode(path, 0o444)
  }
  files.writeNew(filterOf(bench), seccompFilter())
}

function check({ argv, env, signal }: BuildRequest): void {
  if (signal.aborted) throw cancelled()
  // Bubblewrap's arguments are separated by NUL, so that one could become two.
  const nul = [...argv, ...Object.entries(env).flat()].find(text => text.includes('\0'))
  if (nul !== undefined) throw new Error(`a NUL byte in ${JSON.stringify(nul.slice(0, 40))}`)
}

const cancelled = (): MixosError => new MixosError('CANCELLED', 'the build was cancelled')

async function runIn(bench: Bench, slot: number, request: BuildRequest): Promise<Ended> {
  const { host } = bench
  try {
    const build = start(bench, slot, request)
    return await attend(bench, slot, build, request)
  } finally {
    host.files.unlink(reportOf(bench, slot))
    host.files.unlink(argumentsOf(bench, slot))
  }
}
