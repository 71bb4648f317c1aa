import { command } from 'cmd-ts'
import { verifyInUse } from '../../store/verify.ts'
import { jsonFlag } from '../args.ts'
import { type Context, requireHome } from '../context.ts'
import type { Answer } from '../report.ts'
import { verifyAnswer } from '../verify-answer.ts'

export function verify(context: Context) {
  return command({
    name: 'verify',
    description: 'read every object in the store and compare it with its record',
    args: { json: jsonFlag },
    examples: [{ description: 'is the store what it was?', command: 'mixos verify' }],
    handler: async (): Promise<Answer> => {
      const { signal, report } = context
      const verified = await verifyInUse(await requireHome(context), {
        signal,
        onWait: () =>
          report({ type: 'warning', message: 'waiting for a garbage collection to end' }),
        onProgress: progress => report({ type: 'verifying', ...progress }),
      })
      return verifyAnswer(verified)
    },
  })
}
