import { MixosError } from '../graph/error.ts'

/** 0 done · 1 failed · 2 wrong usage · 70 a bug in mixos · 130 interrupted. */
export type ExitCode = 0 | 1 | 2 | 70 | 130

export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof MixosError)) return 70
  if (error.code === 'BAD_ARGUMENT') return 2
  return error.code === 'CANCELLED' ? 130 : 1
}

/** Ends the process at once: what stdout has not taken yet is lost. */
export function exit(code: ExitCode): never {
  process.exit(code)
}
