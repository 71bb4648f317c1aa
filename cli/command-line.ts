import { parse, runSafely, subcommands } from 'cmd-ts'
import { MixosError } from '../graph/error.ts'
import { nearest } from '../graph/nearest.ts'
import type { Context } from './context.ts'
import type { Answer } from './report.ts'

type Command = Parameters<typeof subcommands>[0]['cmds'][string]

/** Each is loaded when it is named, so that a command costs only what it needs itself. */
const commands: Readonly<Record<string, (context: Context) => Promise<Command>>> = {
  realize: async context => (await import('./commands/realize.ts')).realize(context),
  graph: async context => (await import('./commands/graph.ts')).graph(context),
  explain: async context => (await import('./commands/explain.ts')).explain(context),
  'why-depends': async context => (await import('./commands/why-depends.ts')).whyDepends(context),
  closure: async context => (await import('./commands/closure.ts')).closure(context),
  log: async context => (await import('./commands/log.ts')).log(context),
  verify: async context => (await import('./commands/verify.ts')).verify(context),
  gc: async context => (await import('./commands/gc.ts')).gc(context),
  roots: async context => (await import('./commands/roots.ts')).roots(context),
  lock: async context => (await import('./commands/lock.ts')).lock(context),
  cache: async context => (await import('./commands/cache.ts')).cache(context),
  repo: async context => (await import('./commands/repo.ts')).repo(context),
  boot: async context => (await import('./commands/boot.ts')).boot(context),
}

/** What was asked for: a text about the program, or a command that is ready to run. */
export type ParsedCommandLine = { readonly help: string } | { run(): Promise<Answer> }

/** Throws BAD_ARGUMENT for whatever the named command does not take. */
export async function parseCommandLine(
  argv: string[],
  context: Context,
): Promise<ParsedCommandLine> {
  const [first = ''] = argv
  const isCommand = Object.hasOwn(commands, first)
  if (!isCommand && first !== '' && !first.startsWith('-')) throw unknownCommand(first)

  const named = isCommand ? [first] : Object.keys(commands)
  const loaded = named.map(async name => [name, await commands[name]?.(context)] as const)
  const program = programOf(
    Object.fromEntries(await Promise.all(loaded)) as Record<string, Command>,
  )

  const options = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  if (argv.length === 0 || options.some(option => HELP.has(option))) {
    const asked = await runSafely(program, argv)
    if (asked._tag === 'error') return { help: asked.error.config.message }
  }
  const parsed = await parse(program, argv)
  if (parsed._tag === 'error') throw wrongArguments(first, parsed.error.errors)
  // Its type promises a wrapper around what the command's handler returns; it returns just that.
  return { run: async () => (await program.handler(parsed.value)) as unknown as Answer }
}

const HELP = new Set(['--help', '-h', '--version', '-v'])

function programOf(cmds: Record<string, Command>) {
  return subcommands({
    name: 'mixos',
    version: '0.1.0',
    description: 'builds a minimal Linux distribution as one reproducible build graph',
    cmds,
    examples: [
      { description: 'build the image and all it is made from', command: 'mixos realize iso' },
      { description: 'see what that would take', command: 'mixos realize iso --dry-run' },
      { description: 'start it in a virtual machine', command: 'mixos boot' },
    ],
  })
}

function unknownCommand(name: string): MixosError {
  const known = Object.keys(commands)
  return new MixosError('BAD_ARGUMENT', `unknown command ${JSON.stringify(name)}`, {
    hint: `did you mean ${nearest(name, known)}? commands: ${known.join(', ')}`,
  })
}

function wrongArguments(
  command: string,
  errors: readonly { readonly message: string; readonly nodes: readonly { raw: string }[] }[],
): MixosError {
  const told = errors.map(({ message, nodes }) => {
    const what = message === 'Unknown arguments' ? 'unknown argument' : lowerFirst(message)
    const raw = nodes.map(node => node.raw).join(' ')
    return raw === '' ? what : `${raw}: ${what}`
  })
  return new MixosError('BAD_ARGUMENT', told.join('; '), {
    hint: `see: mixos ${`${command.startsWith('-') ? '' : command} --help`.trim()}`,
  })
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)
