import { parse, runSafely, subcommands } from 'cmd-ts'
import { MixosError } from '../graph/error.ts'
import { isRecord } from '../graph/json.ts'
import { didYouMean } from '../graph/nearest.ts'
import type { Answer, Hints } from './report.ts'

export type Command = Parameters<typeof subcommands>[0]['cmds'][string]

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
    throw unknownCommand(first, Object.keys(commands))

  const named = isCommand ? [first] : Object.keys(commands)
  const loaded = named.map(async one => [one, await commands[one]?.(context)] as const)
  const program = subcommands({
    name,
    version,
    description,
    cmds: Object.fromEntries(await Promise.all(loaded)) as Record<string, Command>,
    examples: [...examples],
  })

  const options = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  if (argv.length === 0 || options.some(option => HELP.has(option))) {
    const asked = await runSafely(program, argv)
    // Whatever else it ends with is a mistake, which is told of below.
    if (asked._tag === 'error' && asked.error.config.into === 'stdout') {
      return { help: asked.error.config.message }
    }
  }
  const parsed = await parse(program, argv)
  if (parsed._tag === 'error') {
    const { errors, partialValue } = parsed.error
    throw wrongArguments([name, ...wordsOf(partialValue)], errors)
  }
  // Its type promises a wrapper around what the command's handler returns; it returns just that.
  return { run: async () => (await program.handler(parsed.value)) as unknown as Answer }
}

const HELP = new Set(['--help', '-h', '--version', '-v'])

function unknownCommand(name: string, known: readonly string[]): MixosError {
  return new MixosError('BAD_ARGUMENT', `unknown command ${JSON.stringify(name)}`, {
    hint: didYouMean(name, known) ?? `commands: ${known.join(', ')}`,
  })
}

/** The words that name a command, as far as they were understood: `cache`, `push`. */
function wordsOf(parsed: unknown): string[] {
  if (!isRecord(parsed) || typeof parsed.command !== 'string') return []
  return [parsed.command, ...wordsOf(parsed.args)]
}

function wrongArguments(
  words: readonly string[],
  errors: readonly { readonly message: string; readonly nodes: readonly { raw: string }[] }[],
): MixosError {
  const told = errors.map(({ message, nodes }) =>
    inOurWords(
      message,
      nodes.map(node => node.raw),
    ),
  )
  return new MixosError('BAD_ARGUMENT', told.join('; '), {
    hint: `see: ${words.join(' ')} --help`,
  })
}

/** What the parser complains about, and the arguments that it is about. */
function inOurWords(message: string, raw: readonly string[]): string {
  const about = (what: string): string => (raw.length === 0 ? what : `${raw.join(' ')}: ${what}`)
  const missing = /^no value provided for (.*)$/i.exec(message)?.[1]
  if (missing === 'subcommand') return 'its command is missing'
  if (missing !== undefined) return `${missing.toUpperCase()} is missing`
  // Of a short option, it forgets the dash.
  const [word = ''] = (raw[0] ?? '').split(' ')
  const option = word.length === 1 ? `-${word}` : word
  if (/^a value is missing$/i.test(message)) return `${option} needs a value`
  if (/^too many times provided/i.test(message)) return `${option} can be given once`
  if (/^expected to get a value, found a flag$/i.test(message)) return `${option} needs a value`
  if (/^not a valid subcommand name/i.test(message)) return about('no such command')
  return about(message === 'Unknown arguments' ? 'unknown argument' : lowerFirst(message))
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)
