import { command } from 'cmd-ts'
import { usingStore } from '../../store/using-store.ts'
import { type Progress, verify as verifyStore } from '../../store/verify.ts'
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
      const store = await requireHome(context)
      const onProgress = (progress: Progress): void => report({ type: 'verifying', ...progress })
      const read = () => verifyStore(store, { signal, onProgress })
      return verifyAnswer(await usingStore(store, context, read))
    },
  })
}
