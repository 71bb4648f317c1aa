import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { MixosError } from '../graph/error.ts'
import type { Report } from '../store/event.ts'
import type { Store } from '../store/store.ts'

/** What a command gets from outside. Nothing else reads the environment or the working directory. */
export interface Context {
  /** Where the user is: relative paths on the command line start here. */
  readonly directory: string
  /** The checkout that this program is part of. */
  readonly project: string
  /** The store's directory. */
  readonly home: string
  readonly environment: Environment
  readonly signal: AbortSignal
  readonly report: Report
  /** The recipe files that were loaded, by their real paths, as the user named them: they may have begun what still runs. */
  readonly recipeFiles: Map<string, string>
  /** Says a last line to people and ends the display of progress, before another program gets the terminal. */
  readonly takeTerminal: (note: string) => void
}

export type Environment = Readonly<Record<string, string | undefined>>

export const project = join(import.meta.dirname, '..')

/** `$MIXOS_HOME`, else `mixos` in the user's data directory, as the XDG base directory specification has it. */
export function homeOf(environment: Environment, directory: string): string {
  if (environment.MIXOS_HOME) return absolute(environment.MIXOS_HOME, directory)
  const data = environment.XDG_DATA_HOME
  // The specification: a relative path there is to be ignored.
  const base = data && isAbsolute(data) ? data : join(homedir(), '.local', 'share')
  return join(base, 'mixos')
}

/** The store of that user, made where there is none. */
export async function openHome(context: Context): Promise<Store> {
  const [{ openStore }, { nodeHost }] = await Promise.all([
    import('../store/store.ts'),
    import('../store/hosts/node.ts'),
  ])
  return openStore({ directory: context.home, host: nodeHost })
}

/** The store, or undefined where there is none yet: then nothing is made. */
export async function openExistingHome(context: Context): Promise<Store | undefined> {
  const { nodeHost } = await import('../store/hosts/node.ts')
  const { files } = nodeHost
  const stats = files.lstat(context.home)
  const isEmpty = stats?.isDirectory() && files.list(context.home).length === 0
  return stats && !isEmpty ? openHome(context) : undefined
}

/** The store of a command that makes nothing. Throws OBJECT_UNKNOWN where there is none: its name may be misspelled. */
export async function requireHome(context: Context): Promise<Store> {
  const store = await openExistingHome(context)
  if (store) return store
  throw new MixosError('OBJECT_UNKNOWN', `there is no store in ${context.home}`, {
    hint: 'make one with: mixos realize NAME; or set MIXOS_HOME to where yours is',
  })
}

/** A path on the command line. */
export function absolute(path: string, directory: string): string {
  return isAbsolute(path) ? path : join(directory, path)
}
