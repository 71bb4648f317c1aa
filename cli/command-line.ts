import { parse, runSafely } from 'cmd-ts'
import type { MixosError } from '../graph/error.ts'
import { type Command, group } from './group.ts'
import { unknownCommand, wrongArguments } from './mistakes.ts'
import type { Answer, Hints } from './report.ts'

/** A program of several commands, which get a `Context` of its own. */
export interface Program<Context> {
  readonly name: string
  readonly version: string
  readonly description: string
  /** Each is loaded when it is named, so that a command costs only what it needs itself. */
  readonly commands: Readonly<Record<string, (context: Context) => Promise<Command>>>
  readonly examples: readonly { readonly description: string; readonly command: string }[]
  readonly hints: Hints
  /** What an error of the system's is to this program; undefined where it is no other than elsewhere. */
  readonly explain?: (error: unknown, context: Context) => MixosError | undefined
  /** Asked before a command runs: the exit code where that was done in another process, else undefined. */
  readonly elsewhere?: (context: Context) => Promise<number | undefined>
}

/** What was asked for: a text about the program, or a command that is ready to run. */
export type ParsedCommandLine = { readonly help: string } | { run(): Promise<Answer> }

/** Throws BAD_ARGUMENT for whatever the named command does not take. */
export async function parseCommandLine<Context>(
  { commands, name, version, description, examples }: Program<Context>,
  argv: string[],
  context: Context,
): Promise<ParsedCommandLine> {
  const [first = ''] = argv
  const isCommand = Object.hasOwn(commands, first)
  if (!isCommand && first !== '' && !first.startsWith('-'))
    throw unknownCommand([], first, Object.keys(commands))

  const named = isCommand ? [first] : Object.keys(commands)
  const loaded = named.map(async one => [one, await commands[one]?.(context)] as const)
  const cmds = Object.fromEntries(await Promise.all(loaded)) as Record<string, Command>
  const program = group({ name, version, description, cmds, examples: [...examples] })

  const options = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  if (argv.length === 0 || options.some(option => HELP.has(option))) {
    const asked = await runSafely(program, argv)
    // Whatever else it ends with is a mistake, which is told of below.
    if (asked._tag === 'error' && asked.error.config.into === 'stdout') {
      return { help: asked.error.config.message }
    }
  }
  const parsed = await parse(program, argv)
  if (parsed._tag === 'error') throw wrongArguments(name, program, parsed.error)
  // Its type promises a wrapper around what the command's handler returns; it returns just that.
  return { run: async () => (await program.handler(parsed.value)) as unknown as Answer }
}

const HELP = new Set(['--help', '-h', '--version', '-v'])
