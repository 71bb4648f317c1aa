import { stripVTControlCharacters } from 'node:util'
import { type ErrorCode, MixosError } from '../graph/error.ts'
import type { Event } from '../store/event.ts'
import type { Environment } from './context.ts'
import { openProgress } from './progress.ts'
import { openTerminal, printable, type Stream } from './terminal.ts'

/** What a command found out: printed as `text`, or as one JSON record. */
export interface Answer {
  /** Where it is long, its pieces one after the other. */
  readonly text: string | Iterable<string>
  readonly record: object
  /** A line for people beside the text. */
  readonly note?: string
  /** Everything ran, but what was to be checked is not so. */
  readonly isFailure?: boolean
}

/** All that the program prints. Results go to stdout, what is for people to stderr. */
export interface Reporter {
  event(event: Event): void
  answer(answer: Answer, options: { asJson: boolean }): void
  failure(error: unknown, options: { asJson: boolean }): void
  help(text: string): void
  /** A line for people. */
  note(text: string): void
  /** Leaves the terminal as it was. */
  close(): void
}

/** The next step after errors that come without one, since it depends on the program. */
export type Hints = Readonly<Partial<Record<ErrorCode, string>>>

export interface ReporterOptions {
  readonly program: { readonly name: string; readonly hints: Hints }
  readonly out: Stream
  readonly err: Stream
  readonly environment: Environment
  readonly now: () => number
}

export function openReporter({ program, out, err, environment, now }: ReporterOptions): Reporter {
  const terminal = openTerminal(err, environment)
  const paint = painter(terminal.hasColor)
  const progress = openProgress(terminal, now)
  const printed = new Set<unknown>()
  const failed: object[] = []

  const print = (error: unknown): void => {
    terminal.print(describeError(error, { program, paint }))
    printed.add(error)
  }
  return {
    event: event => {
      if (event.type === 'warning') terminal.print(describeWarning(event, paint))
      else if (event.type === 'answered') terminal.print(describeAnswer(event))
      else if (event.type === 'failed') {
        print(event.error)
        failed.push({ step: event.step, label: event.label, ...errorRecord(event.error, program) })
      }
      progress.event(event)
    },
    answer: ({ text, record, note }, { asJson }) => {
      progress.close()
      if (note !== undefined) terminal.print(note)
      const output = asJson ? JSON.stringify(record, undefined, 2) : text
      if (typeof output !== 'string') writePieces(out, output)
      else if (output !== '') out.write(`${output}\n`)
    },
    failure: (error, { asJson }) => {
      progress.close()
      if (!printed.has(error)) print(error)
      if (!asJson) return
      // With --keep-going, several steps may have failed.
      const record = { error: errorRecord(error, program), ...(failed.length > 0 && { failed }) }
      out.write(`${JSON.stringify(record, undefined, 2)}\n`)
    },
    help: text => {
      const { hasColor } = openTerminal(out, environment)
      out.write(`${hasColor ? text : stripVTControlCharacters(text)}\n`)
    },
    note: text => terminal.print(text),
    close: () => progress.close(),
  }
}

/** With a newline at its end, if it is not empty. */
function writePieces(out: Stream, pieces: Iterable<string>): void {
  let last = ''
  for (const piece of pieces) {
    if (piece === '') continue
    out.write(piece)
    last = piece
  }
  if (last !== '' && !last.endsWith('\n')) out.write('\n')
}

type Paint = (color: 'red' | 'yellow' | 'cyan', text: string) => string

function painter(hasColor: boolean): Paint {
  const codes = { red: 31, yellow: 33, cyan: 36 }
  return (color, text) => (hasColor ? `\x1b[${codes[color]}m${text}\x1b[39m` : text)
}

function describeWarning(
  { message, hint }: { message: string; hint?: string },
  paint: Paint,
): string {
  const lines = `${paint('yellow', 'warning:')} ${printable(message)}`
  return hint ? `${lines}\n${describeHint(hint, paint)}` : lines
}

function describeAnswer({ method, path, status, bytes }: Event & { type: 'answered' }): string {
  return printable(`${method} ${path}: ${status}, ${bytes} bytes`)
}

/** `error:` and what failed, why below it, and `hint:` with the next step. A bug comes with its stack. */
function describeError(
  error: unknown,
  { program, paint }: { readonly program: ReporterOptions['program']; readonly paint: Paint },
): string {
  // First what went wrong, then what else did while it was cleaned up.
  if (error instanceof SuppressedError)
    return [error.suppressed, error.error]
      .map(each => describeError(each, { program, paint }))
      .join('\n')
  const label = paint('red', 'error:')
  if (!(error instanceof MixosError)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const report = `this is a bug in ${program.name}: please report it with the lines above`
    return `${label} ${printable(stack)}\n${describeHint(report, paint)}`
  }
  const { cause } = error
  const isRepeated =
    cause instanceof Error && cause.message !== '' && error.message.includes(cause.message)
  const lines = [
    `${label} ${printable(error.message.trim())}`,
    ...causesOf(isRepeated ? cause.cause : cause),
  ]
  const hint = hintOf(error, program)
  if (hint) lines.push(describeHint(hint, paint))
  return lines.join('\n')
}

function describeHint(hint: string, paint: Paint): string {
  return `${paint('cyan', 'hint:')} ${printable(hint).replaceAll('\n', '\n      ')}`
}

function causesOf(cause: unknown, depth = 1): string[] {
  if (cause === undefined || depth > 8) return []
  const indent = '  '.repeat(depth)
  if (cause instanceof AggregateError) return cause.errors.flatMap(each => causesOf(each, depth))
  if (!(cause instanceof Error)) return [`${indent}because: ${printable(String(cause))}`]
  const message = printable(cause.message).replaceAll('\n', `\n${indent}`)
  return [`${indent}because: ${message}`, ...causesOf(cause.cause, depth + 1)]
}

const hintOf = (
  { hint, code }: MixosError,
  { hints }: ReporterOptions['program'],
): string | undefined => hint ?? hints[code]

function errorRecord(error: unknown, program: ReporterOptions['program']): object {
  if (error instanceof SuppressedError) return errorRecord(error.suppressed, program)
  if (!(error instanceof Error)) return { message: String(error) }
  if (!(error instanceof MixosError)) return { code: 'BUG', message: error.message }
  const { code, message } = error
  const hint = hintOf(error, program)
  return { code, message, ...(hint && { hint }) }
}
