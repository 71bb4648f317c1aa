import { MixosError } from '../graph/error.ts'
import { type ParsedCommandLine, parseCommandLine } from './command-line.ts'
import { type Context, homeOf, project } from './context.ts'
import { type ExitCode, exit, exitCodeOf } from './exit.ts'
import { openReporter, type Reporter } from './report.ts'

/** The whole program: reads the command line, runs one command, prints what it found and exits. */
export async function main(): Promise<never> {
  const { argv, env, stdout, stderr } = process
  const reporter = openReporter({ out: stdout, err: stderr, environment: env, now: Date.now })
  const interruption = listenForInterruption(reporter)
  // `mixos graph iso | head`: nobody reads on, so there is nothing left to do.
  stdout.on('error', error => exit(errorCode(error) === 'EPIPE' ? 0 : 70))
  const directory = process.cwd()
  const context: Context = {
    directory,
    project,
    home: homeOf(env, directory),
    environment: env,
    signal: interruption.signal,
    report: reporter.event,
    takeTerminal: note => {
      reporter.close()
      reporter.note(note)
    },
  }
  exit(await run(argv.slice(2), context, reporter))
}

async function run(argv: string[], context: Context, reporter: Reporter): Promise<ExitCode> {
  const asJson = argv.includes('--json')
  try {
    const parsed: ParsedCommandLine = await parseCommandLine(argv, context)
    if ('help' in parsed) reporter.help(parsed.help)
    else {
      const answer = await parsed.run()
      reporter.answer(answer, { asJson })
      if (answer.isFailure) return 1
    }
    return 0
  } catch (error) {
    reporter.failure(error, { asJson })
    return exitCodeOf(error)
  }
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
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
  return controller
}

const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

// `node cli/mixos.ts` works as well, only slower to start than launch.js, which says why.
if (import.meta.main) await main()
