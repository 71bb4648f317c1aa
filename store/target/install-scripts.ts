import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { MixosError } from '../../graph/error.ts'
import { scriptPath } from '../../graph/mixpkg.ts'
import { absolute } from '../../graph/store-path.ts'
import type { Report } from '../event.ts'
import type { Processes } from '../host.ts'
import type { InstalledPackage } from './installed.ts'
import type { Machine } from './machine.ts'

export type When = 'pre-install' | 'post-install'

export interface ScriptsOptions {
  readonly report: Report
  /** Ends the script that runs, and with it all. */
  readonly signal: AbortSignal
  /** For a change that goes on where a script fails. */
  readonly onFailure?: (error: MixosError) => void
}

/** Runs those of several packages, in their order; what they print is reported. Throws SCRIPT_FAILED. */
export async function runInstallScripts(
  machine: Machine,
  when: When,
  {
    packages,
    report,
    signal,
    onFailure,
  }: ScriptsOptions & { readonly packages: readonly InstalledPackage[] },
): Promise<void> {
  for (const found of packages) {
    const onLine = (line: string): void =>
      report({ type: 'warning', message: `${found.name}: ${line}` })
    try {
      await runInstallScript(machine, when, { package: found, onLine, signal })
    } catch (error) {
      const isFailure = error instanceof MixosError && error.code === 'SCRIPT_FAILED'
      if (!isFailure || !onFailure) throw error
      onFailure(error)
    }
  }
}

export interface ScriptOptions {
  readonly package: InstalledPackage
  /** Called with each line that the script prints. */
  readonly onLine: (line: string) => void
  /** Ends the script. */
  readonly signal: AbortSignal
  /** Seconds that it may take. */
  readonly limit?: number
}

const LIMIT = 5 * 60
/** Milliseconds in which the last that a script printed is read, where what it started keeps its output open. */
const DRAIN = 500

/**
 * Runs a package's own script, if it has one, with a fixed environment. It may run again after a power
 * cut. It ends with its shell: what that leaves running goes on by itself. Throws SCRIPT_FAILED with
 * how it ended, also where it took too long; it and all it started are then killed, as for the signal.
 */
export async function runInstallScript(
  { store, root }: Machine,
  when: When,
  { package: found, onLine, signal, limit = LIMIT }: ScriptOptions,
): Promise<void> {
  const { name, version, path } = found
  const script = scriptPath(name, `${when}.sh`)
  if (!store.host.files.lstat(join(store.hostPath(path), script))) return
  signal.throwIfAborted()
  const at = root === '/' ? `${absolute(path)}/${script}` : join(store.hostPath(path), script)
  const { processes } = store.host
  const child = processes.spawn('/bin/sh', [at], {
    cwd: root,
    env: {
      PATH: '/bin:/sbin',
      HOME: '/root',
      LC_ALL: 'C',
      MIX_PACKAGE: name,
      MIX_VERSION: version,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Leader of a group of its own, which can be killed as a whole.
    detached: true,
  })
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', onLine)
  }
  const tooLong = AbortSignal.timeout(limit * 1000)
  const how = await ended(child, processes, AbortSignal.any([signal, tooLong]))
  if (how === 0) return
  signal.throwIfAborted()
  const what = tooLong.aborted ? `took longer than ${limit} s and was killed` : `ended with ${how}`
  throw new MixosError('SCRIPT_FAILED', `the ${when} script of ${name} ${version} ${what}`, {
    hint: `it is ${at}; run it with: sh -x`,
  })
}

/** An exit code, the name of a signal, or why it did not start. */
async function ended(
  child: ChildProcess,
  processes: Processes,
  signal: AbortSignal,
): Promise<number | string> {
  const kill = (): void => {
    if (child.pid !== undefined) processes.kill(-child.pid, 'SIGKILL')
  }
  signal.addEventListener('abort', kill)
  const closed = once(child, 'close').catch(() => undefined)
  try {
    const [code, by] = await once(child, 'exit')
    await Promise.race([closed, new Promise(done => setTimeout(done, DRAIN))])
    return code ?? by
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  } finally {
    signal.removeEventListener('abort', kill)
    child.stdout?.destroy()
    child.stderr?.destroy()
  }
}
