import { MixosError } from '../graph/error.ts'
import { asFileError, isDiskFull, reasonOf } from '../store/disk/system-error.ts'
import { type ParsedCommandLine, type Program, parseCommandLine } from './command-line.ts'
import { type ExitCode, exit, exitCodeOf } from './exit.ts'
import { openReporter, type Reporter } from './report.ts'

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
  const { signal } = listenForInterruption(reporter)
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
  const from = { argv: argv.slice(2), contextOf: () => contextOf({ signal, reporter }), reporter }
  const code = await run(program, from)
  // What a pipe has no room for yet would be lost.
  await new Promise(resolve => stdout.write('', resolve))
  exit(code)
}

async function run<Context>(
  program: Program<Context>,
  { argv, contextOf, reporter }: { argv: string[]; contextOf: () => Context; reporter: Reporter },
): Promise<ExitCode> {
  const asJson = argv.includes('--json')
  let context: Context | undefined
  try {
    context = contextOf()
    const parsed: ParsedCommandLine = await parseCommandLine(program, argv, context)
    if ('help' in parsed) reporter.help(parsed.help)
    else {
      const code = await program.elsewhere?.(context)
      if (code !== undefined) return code as ExitCode
      const answer = await parsed.run()
      reporter.answer(answer, { asJson })
      if (answer.isFailure) return 1
    }
    return 0
  } catch (caught) {
    const error = (context && program.explain?.(caught, context)) ?? explained(caught)
    reporter.failure(error, { asJson })
    return exitCodeOf(error)
  }
}

/** What the disk refuses is no bug of ours, wherever it is noticed. */
function explained(error: unknown): unknown {
  if (!isDiskFull(error)) return asFileError(error) ?? error
  const { path } = error as NodeJS.ErrnoException
  return new MixosError('DISK_FULL', `no space left on the disk${path ? ` for ${path}` : ''}`)
}

/** The first signal asks every task to stop and clean up; the second one ends the process. */
function listenForInterruption(reporter: Reporter): AbortController {
  const controller = new AbortController()
  const interrupt = (): void => {
    if (controller.signal.aborted) {
      reporter.close()
      exit(130)
    }
    reporter.note('stopping; interrupt once more to stop at once')
    controller.abort(new MixosError('CANCELLED', 'interrupted', { hint: 'the next run goes on' }))
  }
  for (const signal of SIGNALS) process.on(signal, interrupt)
  return controller
}

/** What asks a program to stop. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code
