import { MixosError } from '../graph/error.ts'
import { isRecord } from '../graph/json.ts'
import { nearest } from '../graph/nearest.ts'
import type { Command, Group } from './group.ts'

/** What the parser has to say of a command line: what it is about, and why. */
interface Mistake {
  readonly message: string
  readonly nodes: readonly Argument[]
}

interface Argument {
  readonly type: string
  readonly raw: string
  /** Of an option, its name without dashes. */
  readonly key?: string
}

/** A BAD_ARGUMENT error with the nearest command. `words` are those before it. */
export function unknownCommand(
  words: readonly string[],
  name: string,
  known: readonly string[],
): MixosError {
  const whole = (command: string): string => [...words, command].join(' ')
  const near = nearest(name, known)
  return new MixosError('BAD_ARGUMENT', `unknown command ${JSON.stringify(whole(name))}`, {
    hint: near === undefined ? `commands: ${known.join(', ')}` : `did you mean ${whole(near)}?`,
  })
}

/** A BAD_ARGUMENT error that tells in our words what cmd-ts found wrong. */
export function wrongArguments(
  name: string,
  program: Group,
  {
    errors,
    partialValue,
  }: { readonly errors: readonly Mistake[]; readonly partialValue?: unknown },
): MixosError {
  const words = wordsOf(partialValue)
  const command = commandAt(program, words)
  const see = `see: ${[name, ...words].join(' ')} --help`
  const wrong = (message: string, hint: string | undefined): MixosError =>
    new MixosError('BAD_ARGUMENT', message, { hint: hint === undefined ? see : `${hint} ${see}` })

  if ('cmds' in command) {
    const known = Object.keys(command.cmds)
    const [given] = errors.flatMap(({ nodes }) => nodes.map(({ raw }) => raw))
    return given === undefined
      ? wrong(`${[name, ...words].join(' ')} needs a command`, `commands: ${known.join(', ')};`)
      : unknownCommand(words, given, known)
  }
  const options = unknownOptions(errors)
  const [meant] = options.flatMap(option => meantBy(option, command) ?? [])
  const told = errors.flatMap(error => inOurWords(error, options) ?? [])
  return wrong(told.join('; '), meant)
}

/** The words that name a command, as far as they were understood: `cache`, `push`. */
function wordsOf(parsed: unknown): string[] {
  if (!isRecord(parsed) || typeof parsed.command !== 'string') return []
  return [parsed.command, ...wordsOf(parsed.args)]
}

function commandAt(program: Group, words: readonly string[]): Command | Group {
  let command: Command | Group = program
  for (const word of words) {
    if ('cmds' in command) command = command.cmds[word] ?? command
  }
  return command
}

const UNKNOWN = 'Unknown arguments'

/** Letters after one dash are one option each to the parser, and here the word that they were typed as. */
function unknownOptions(errors: readonly Mistake[]): string[] {
  const unknown = errors.filter(({ message }) => message === UNKNOWN).flatMap(({ nodes }) => nodes)
  const keys = (type: string) =>
    unknown.flatMap(node => (node.type === type ? (node.key ?? []) : []))
  const letters = keys('shortOption')
  return [
    ...keys('longOption').map(key => `--${key}`),
    ...(letters.length > 0 ? [`-${letters.join('')}`] : []),
  ]
}

function meantBy(option: string, command: Command): string | undefined {
  const typed = option.replace(/^-+/, '')
  // Every letter is near every other.
  if (typed.length < 2) return undefined
  const topics = command.helpTopics?.() ?? []
  const near = nearest(
    typed,
    topics.flatMap(({ usage }) => /^--([\w-]+)/.exec(usage)?.[1] ?? []),
  )
  return near === undefined ? undefined : `did you mean --${near}?`
}

/** Undefined for what may only seem to be missing: an unknown option takes the word after it for its value. */
function inOurWords({ message, nodes }: Mistake, unknown: readonly string[]): string | undefined {
  const raw = nodes.map(node => node.raw).join(' ')
  const missing = /^no value provided for (.*)$/i.exec(message)?.[1]
  if (missing !== undefined && unknown.length > 0) return undefined
  if (missing !== undefined)
    return `${missing.startsWith('-') ? missing : missing.toUpperCase()} is missing`
  const [first] = nodes
  const option = `${first?.type === 'shortOption' ? '-' : '--'}${first?.key}`
  if (/^a value is missing$|^expected to get a value, found a flag$/i.test(message))
    return `${option} needs a value`
  if (/^too many times provided/i.test(message)) return `${option} can be given once`
  if (message === UNKNOWN)
    return unknown.length > 0 ? `unknown option ${unknown.join(', ')}` : `unknown argument ${raw}`
  const why = lowerFirst(message)
  return raw === '' ? why : `${raw}: ${why}`
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)
