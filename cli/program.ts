import { setImmediate } from 'node:timers/promises'
import { MixosError } from '../graph/error.ts'
import { asFileError, isDiskFull, reasonOf } from '../store/disk/system-error.ts'
import { type ParsedCommandLine, type Program, parseCommandLine } from './command-line.ts'
import { type ExitCode, exit, exitCodeOf } from './exit.ts'
import { type Answer, openReporter, type Reporter } from './report.ts'

/** Reads the command line, runs one command, prints what it found and exits. */
export async function runProgram<Context>(
  program: Program<Context>,
  contextOf: (from: { readonly signal: AbortSignal; readonly reporter: Reporter }) => Context,
): Promise<never> {
  const { argv, env, stdout, stderr } = process
  const reporter = openReporter({
    program,
    out: stdout,
    err: stderr,
    environment: env,
    now: Date.now,
  })
  const controller = new AbortController()
  const { signal } = controller
  listenForInterruption(controller, reporter)
  const orStray = listenForStrayErrors(controller)
  // `mixos graph iso | head`: nobody reads on, so there is nothing left to do.
  stdout.on('error', error => {
    if (errorCode(error) === 'EPIPE') return exit(0)
    const told = new MixosError('FILE_UNAVAILABLE', `cannot write the result: ${reasonOf(error)}`, {
      hint: 'lead standard output to where there is room, or to a terminal',
    })
    reporter.failure(told, { asJson: false })
    exit(exitCodeOf(told))
  })
  // Who watched has gone; the work is for those who asked for it.
  stderr.on('error', () => undefined)
  const code = await run(program, {
    argv: argv.slice(2),
    contextOf: () => contextOf({ signal, reporter }),
    reporter,
    orStray,
  })
  // What a pipe has no room for yet would be lost.
  await new Promise(resolve => stdout.write('', resolve))
  exit(code)
}

interface Request<Context> {
  readonly argv: string[]
  readonly contextOf: () => Context
  readonly reporter: Reporter
  readonly orStray: OrStray
}

async function run<Context>(
  program: Program<Context>,
  { argv, contextOf, reporter, orStray }: Request<Context>,
): Promise<ExitCode> {
  const asJson = argv.includes('--json')
  let context: Context | undefined
  try {
    context = contextOf()
    const done = await orStray(perform(program, { argv, context, reporter }))
    if (typeof done === 'number') return done
    reporter.answer(done, { asJson })
    return done.isFailure ? 1 : 0
  } catch (caught) {
    const error = (context && program.explain?.(caught, context)) ?? explained(caught)
    reporter.failure(error, { asJson })
    return exitCodeOf(error)
  }
}

/** What the command found, or the exit code where all is said already. */
async function perform<Context>(
  program: Program<Context>,
  { argv, context, reporter }: { argv: string[]; context: Context; reporter: Reporter },
): Promise<Answer | ExitCode> {
  const parsed: ParsedCommandLine = await parseCommandLine(program, argv, context)
  if ('help' in parsed) {
    reporter.help(parsed.help)
    return 0
  }
  const code = await program.elsewhere?.(context)
  return code === undefined ? parsed.run() : (code as ExitCode)
}

/** What the disk refuses is no bug of ours, wherever it is noticed. */
function explained(error: unknown): unknown {
  if (!isDiskFull(error)) return asFileError(error) ?? error
  const { path } = error as NodeJS.ErrnoException
  return new MixosError('DISK_FULL', `no space left on the disk${path ? ` for ${path}` : ''}`)
}

/** The first signal asks every task to stop and clean up; the second one ends the process. */
function listenForInterruption(controller: AbortController, reporter: Reporter): void {
  const interrupt = (): void => {
    if (controller.signal.aborted) {
      reporter.close()
      exit(130)
    }
    reporter.note('stopping; interrupt once more to stop at once')
    controller.abort(new MixosError('CANCELLED', 'interrupted', { hint: 'the next run goes on' }))
  }
  for (const signal of SIGNALS) process.on(signal, interrupt)
}

/** Waits for a run, and fails with the error that came up beside it, where one did. */
type OrStray = <T>(run: Promise<T>) => Promise<T>

/**
 * An error that nobody waits for, such as that of a promise which a recipe file forgot, asks every task to stop and
 * clean up.
 */
function listenForStrayErrors(controller: AbortController): OrStray {
  const { promise: overdue, reject } = Promise.withResolvers<never>()
  let stray: { readonly error: unknown } | undefined
  const stop = (error: unknown): void => {
    // Others follow from the first.
    if (stray) return
    stray = { error }
    controller.abort(error)
    // The run may wait for just what failed.
    setTimeout(reject, CLEANING_MILLISECONDS, error)
  }
  process.on('uncaughtException', stop)
  process.on('unhandledRejection', stop)
  return run =>
    Promise.race([run, overdue]).finally(async () => {
      // That a promise was forgotten is noticed when the tasks that it was part of have ended.
      await setImmediate()
      if (stray) throw stray.error
    })
}

const CLEANING_MILLISECONDS = 10_000

/** What asks a program to stop. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code
