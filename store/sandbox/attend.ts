import type { ChildProcess } from 'node:child_process'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import type { Bench, Place } from './bench.ts'
import { type Limits, watch } from './limits.ts'
import type { Started } from './start.ts'
import { unavailable } from './unavailable.ts'

export interface Attention {
  readonly limits: Limits
  readonly directories: readonly string[]
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
  { child, output }: Started,
  { limits, directories, signal, onOutput }: Attention,
): Promise<Ended> {
  let failure: { readonly error: unknown } | undefined
  const fail = (error: unknown): void => {
    if (failure) return
    failure = { error }
    kill(host, child, report)
  }
  const onAbort = (): void => fail(new MixosError('CANCELLED', 'the build was cancelled'))
  signal.addEventListener('abort', onAbort, { once: true })
  const watcher = watch(host, { limits, pid: child.pid ?? 0, directories, onFailed: fail })

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
    const [problem] = await Promise.all([exitOf(child), closeOf(output)])
    const { pid, exitCode, words } = readReport(host, report)
    if (exitCode === undefined && pid !== undefined) await waitUntilGone(host, pid)
    if (failure) throw failure.error
    if (exitCode === undefined) throw unavailable(host, words || problem)
    return endedWith(exitCode)
  } finally {
    watcher.stop()
    signal.removeEventListener('abort', onAbort)
  }
}

/** What became of bubblewrap itself, for where it says nothing. */
function exitOf(child: ChildProcess): Promise<string> {
  return new Promise(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('exit', (code, signal) =>
      resolve(`bubblewrap ${signal ? `was killed by ${signal}` : `failed with exit code ${code}`}`),
    )
  })
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
function kill(host: Host, child: ChildProcess, report: string, since = host.now()): void {
  if (child.exitCode !== null || child.signalCode !== null) return
  const { pid } = readReport(host, report)
  if (pid !== undefined) {
    killIfAlive(pid)
  } else if (host.now() - since < PATIENCE) {
    setTimeout(() => kill(host, child, report, since), RETRY)
  } else {
    child.kill('SIGKILL')
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Process 1 is gone when it is a zombie, too: the kernel lets it end only after all others. */
async function waitUntilGone(host: Host, pid: number): Promise<void> {
  const state = (): string | undefined =>
    /\) (\S)/.exec(host.files.read(`/proc/${pid}/stat`)?.toString() ?? '')?.[1]
  for (let seen = state(); seen !== undefined && seen !== 'Z'; seen = state()) {
    await new Promise(resolve => setTimeout(resolve, RETRY))
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
    words: words.replaceAll(/^bwrap: /gm, '').trim(),
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
