import { setTimeout as sleep } from 'node:timers/promises'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import type { Bench, Place } from './bench.ts'
import { type Limits, watch } from './limits.ts'
import type { Job } from './spawner.ts'
import type { Started } from './start.ts'
import { unavailable, wordsOf } from './unavailable.ts'

export interface Attention {
  readonly limits: Limits
  readonly signal: AbortSignal
  readonly onOutput: (chunk: Buffer) => void
}

/** How the builder ended: one of the two is null. */
export interface Ended {
  readonly code: number | null
  readonly signal: string | null
}

/** Waits for the end of a build, or brings it about. Settles after its last process has ended. */
export async function attend(
  { host }: Bench,
  { report }: Place,
  { process, output, close }: Started,
  { limits, signal, onOutput }: Attention,
): Promise<Ended> {
  let failure: { readonly error: unknown } | undefined
  let killed: Promise<void> | undefined
  const fail = (error: unknown): void => {
    failure ??= { error }
    killed ??= kill(host, process, report)
  }
  const onAbort = (): void => fail(new MixosError('CANCELLED', 'the build was cancelled'))
  signal.addEventListener('abort', onAbort, { once: true })
  const watcher = watch(host, { limits, pid: () => process.pid(), onFailed: fail })

  output.on('data', (chunk: Buffer) => {
    if (failure) return
    watcher.output(chunk.length)
    if (failure) return
    try {
      onOutput(chunk)
    } catch (error) {
      fail(error)
    }
  })
  output.on('error', fail)
  try {
    const closed = closeOf(output)
    const code = await process.ended.finally(close)
    await Promise.all([closed, killed])
    const { pid, exitCode, words } = readReport(host, report)
    if (exitCode === undefined && pid !== undefined) await waitUntilGone(host, pid)
    if (failure) throw failure.error
    if (exitCode === undefined)
      throw unavailable(host, words || `bubblewrap failed with exit code ${code}`)
    return endedWith(exitCode)
  } finally {
    watcher.stop()
    signal.removeEventListener('abort', onAbort)
  }
}

function closeOf(output: Started['output']): Promise<void> {
  return new Promise(resolve => output.once('close', () => resolve()))
}

const RETRY = 5
const PATIENCE = 2000

/**
 * Kills process 1 of the build, with which all others die; bubblewrap ends after the last of them. It
 * would end at once if it were killed itself, so that comes only if it never names process 1.
 */
async function kill(host: Host, job: Job, report: string): Promise<void> {
  let hasEnded = false
  const end = (): void => {
    hasEnded = true
  }
  job.ended.then(end, end)
  for (const since = host.uptime(); ; await sleep(RETRY)) {
    if (hasEnded) return
    const { pid } = readReport(host, report)
    const last = host.uptime() - since < PATIENCE ? undefined : job.pid()
    if (pid !== undefined || last !== undefined)
      return host.processes.kill((pid ?? last) as number, 'SIGKILL')
  }
}

/** Process 1 is gone when it is a zombie, too: the kernel lets it end only after all others. */
async function waitUntilGone(host: Host, pid: number): Promise<void> {
  const state = (): string | undefined =>
    /\) (\S)/.exec(host.files.read(`/proc/${pid}/stat`)?.toString() ?? '')?.[1]
  for (let seen = state(); seen !== undefined && seen !== 'Z'; seen = state()) {
    await sleep(RETRY)
  }
}

interface Report {
  /** Process 1 of the build, by its number on the host. */
  readonly pid?: number
  /** Of the builder; undefined where it was never started or did not end by itself. */
  readonly exitCode?: number
  /** What bubblewrap complained about. */
  readonly words: string
}

/** The report holds JSON objects, one a line, among what bubblewrap prints. */
function readReport(host: Host, path: string): Report {
  const lines = (host.files.read(path) ?? Buffer.alloc(0)).toString().split('\n')
  const isStatus = (line: string): boolean => line.startsWith('{') && line.endsWith('}')
  const statuses: Record<string, number>[] = lines.filter(isStatus).map(line => JSON.parse(line))
  const status = Object.assign({}, ...statuses) as Record<string, number | undefined>
  const words = lines.filter(line => !isStatus(line)).join('\n')
  const { 'child-pid': pid, 'exit-code': exitCode } = status
  return {
    words: wordsOf(words),
    ...(pid !== undefined && { pid }),
    ...(exitCode !== undefined && { exitCode }),
  }
}

// Shells and bubblewrap turn a death by signal N into exit code 128 + N.
const SIGNALS: Readonly<Record<number, string>> = {
  132: 'SIGILL',
  134: 'SIGABRT',
  135: 'SIGBUS',
  136: 'SIGFPE',
  137: 'SIGKILL',
  139: 'SIGSEGV',
  143: 'SIGTERM',
  159: 'SIGSYS',
}

function endedWith(exitCode: number): Ended {
  const signal = SIGNALS[exitCode] ?? null
  return { code: signal === null ? exitCode : null, signal }
}
