import { command } from 'cmd-ts'
import { openStore } from '../../store/store.ts'
import { jsonFlag } from '../args.ts'
import type { Answer } from '../report.ts'
import { verifyAnswer } from '../verify-answer.ts'
import type { MixContext } from './context.ts'

export function verify({ host, root }: MixContext) {
  return command({
    name: 'verify',
    description: 'read every object in the store and compare it with its record',
    args: { json: jsonFlag },
    examples: [{ description: 'is the store what it was?', command: 'mix verify' }],
    handler: async (): Promise<Answer> => verifyAnswer(openStore({ directory: root, host })),
  })
}
