import { command } from 'cmd-ts'
import { verify as verifyStore } from '../../store/verify.ts'
import { jsonFlag } from '../args.ts'
import { type Context, openHome } from '../context.ts'
import { plural } from '../format.ts'
import type { Answer } from '../report.ts'

export function verify(context: Context) {
  return command({
    name: 'verify',
    description: 'read every object in the store and compare it with its record',
    args: { json: jsonFlag },
    examples: [{ description: 'is the store what it was?', command: 'mixos verify' }],
    handler: async (): Promise<Answer> => {
      const store = await openHome(context)
      const { checked, problems } = verifyStore(store)
      const lines = problems.map(({ path, message }) => `${store.hostPath(path)}: ${message}`)
      const result =
        problems.length === 0 ? 'all is well' : `${plural(problems.length, 'problem')} found`
      return {
        text: [...lines, `${plural(checked, 'object')} checked: ${result}`].join('\n'),
        record: { checked, problems },
        isFailure: problems.length > 0,
      }
    },
  })
}
