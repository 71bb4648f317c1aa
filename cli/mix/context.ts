import { resolve } from 'node:path'
import type { Report } from '../../store/event.ts'
import type { Host } from '../../store/host.ts'
import type { Environment } from '../context.ts'

/** What a command of `mix` gets from outside. */
export interface MixContext {
  /** Where the user is: relative paths on the command line start here. */
  readonly directory: string
  /** The store's directory. */
  readonly root: string
  readonly environment: Environment
  /** What the user typed, without the program. */
  readonly argv: readonly string[]
  readonly host: Host
  readonly signal: AbortSignal
  readonly report: Report
  /** Shows what is going to happen and asks whether to go on. Throws where the answer is no, or nobody is there. */
  readonly confirm: (lines: readonly string[]) => Promise<void>
}

/** `/mix`; `$MIX_ROOT` is another one, for tests. */
export function rootOf(environment: Environment, directory: string): string {
  return resolve(directory, environment.MIX_ROOT || '/mix')
}
