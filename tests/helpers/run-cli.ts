import { type ChildProcess, execFile } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

const launcher = join(import.meta.dirname, '..', '..', 'cli', 'launch.js')

export interface CliResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A user's place: a directory to work in and, beside it, a store that nobody else uses. */
export interface Place {
  readonly directory: string
  readonly home: string
  /** Holds the user's settings. */
  readonly config: string
  /** Runs `mixos` as a process of its own, with no more of this process's environment than it needs. */
  mixos(...args: string[]): Promise<CliResult>
  /** The same, for tests that do something while it runs. */
  start(...args: string[]): Running
}

export interface Running {
  readonly process: ChildProcess
  readonly result: Promise<CliResult>
}

export interface PlaceOptions {
  readonly environment?: Readonly<Record<string, string>>
  /** The program to run, in place of this checkout's. */
  readonly program?: string
}

/** A fresh place, removed when the test ends. */
export function place(t: ExecutionContext, options: PlaceOptions = {}): Place {
  const top = mkdtempSync(join(tmpdir(), 'mixos-cli-'))
  t.teardown(() => remove(top))
  const directory = join(top, 'work')
  const home = join(top, 'home')
  mkdirSync(directory)
  const { program = launcher, environment } = options
  const config = join(top, 'config')
  const env = { ...inherited(), MIXOS_HOME: home, XDG_CONFIG_HOME: config, ...environment }
  const start = (...args: string[]): Running => {
    const { promise, resolve } = Promise.withResolvers<CliResult>()
    const process_ = execFile(
      process.execPath,
      [program, ...args],
      { cwd: directory, env, timeout: 60_000, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ code, stdout, stderr })
      },
    )
    return { process: process_, result: promise }
  }
  return { directory, home, config, start, mixos: (...args) => start(...args).result }
}

// HOME, since below it lies the cache of compiled code: without it each run compiles everything anew.
function inherited(): Record<string, string> {
  const names = ['PATH', 'HOME', 'XDG_CACHE_HOME', 'TMPDIR']
  return Object.fromEntries(
    names.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

/** Objects are read-only, their directories too. */
function remove(directory: string): void {
  chmodSync(directory, 0o755)
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o755)
  }
  rmSync(directory, { recursive: true })
}
