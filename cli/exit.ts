import { MixosError } from '../graph/error.ts'

/** 0 done · 1 failed · 2 wrong usage, on whatever machine · 70 a bug in mixos · 130 interrupted. */
export type ExitCode = 0 | 1 | 2 | 70 | 130

export function exitCodeOf(error: unknown): ExitCode {
  // What went wrong first; the other came while that was cleaned up.
  if (error instanceof SuppressedError) return exitCodeOf(error.suppressed)
  if (!(error instanceof MixosError)) return 70
  if (error.code === 'BAD_ARGUMENT') return 2
  return error.code === 'CANCELLED' ? 130 : 1
}

/** Ends the process at once: what stdout has not taken yet is lost. */
export function exit(code: ExitCode): never {
  process.exit(code)
}
