import type { Verified } from '../store/verify.ts'
import { plural } from './format.ts'
import type { Answer } from './report.ts'

/** What reading the whole store finds. */
export function verifyAnswer({ checked, problems }: Verified): Answer {
  const lines = problems.map(({ at, message }) => `${at}: ${message}`)
  const result =
    problems.length === 0 ? 'all is well' : `${plural(problems.length, 'problem')} found`
  const isTrace = problems.some(({ path, missing }) => (path ?? missing) === undefined)
  return {
    text: [
      ...lines,
      `${plural(checked, 'object')} checked: ${result}${isTrace ? '; gc drops the damaged traces' : ''}`,
    ].join('\n'),
    record: { checked, problems },
    isFailure: problems.length > 0,
  }
}
