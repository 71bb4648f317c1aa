import { absolute } from '../graph/store-path.ts'
import type { Verified } from '../store/verify.ts'
import { plural } from './format.ts'
import type { Answer } from './report.ts'

/** What reading the whole store finds, and what repairs it. */
export function verifyAnswer({ checked, problems }: Verified, next?: string): Answer {
  const lines = problems.map(({ at, message }) => `${at}: ${message}`)
  const result =
    problems.length === 0 ? 'all is well' : `${plural(problems.length, 'problem')} found`
  return {
    text: [...lines, `${plural(checked, 'object')} checked: ${result}`].join('\n'),
    record: {
      checked,
      problems: problems.map(({ path, missing, ...problem }) => ({
        ...problem,
        ...(path && { path: absolute(path) }),
        ...(missing && { missing: absolute(missing) }),
      })),
    },
    ...(problems.length > 0 && next !== undefined && { note: next }),
    isFailure: problems.length > 0,
  }
}
