import { command, flag } from 'cmd-ts'
import { dropDamaged } from '../../store/drop.ts'
import { usingStore } from '../../store/using-store.ts'
import { type Progress, type Verified, verify as verifyStore } from '../../store/verify.ts'
import { jsonFlag } from '../args.ts'
import { type Context, requireHome } from '../context.ts'
import type { Answer } from '../report.ts'
import { verifyAnswer } from '../verify-answer.ts'
import { waitingForOthers } from '../waiting.ts'

export function verify(context: Context) {
  return command({
    name: 'verify',
    description: 'read every object in the store and compare it with its record',
    args: {
      drop: flag({
        long: 'drop',
        description: 'delete what is damaged, so that whoever needs it makes it again',
      }),
      json: jsonFlag,
    },
    examples: [
      { description: 'is the store what it was?', command: 'mixos verify' },
      {
        description: 'repair it: what is damaged goes, and the image gets it anew',
        command: 'mixos verify --drop && mixos realize iso',
      },
    ],
    handler: async ({ drop }): Promise<Answer> => {
      const { signal, report } = context
      const store = await requireHome(context)
      const onProgress = (progress: Progress): void => report({ type: 'verifying', ...progress })
      const options = { signal, onProgress, onWait: waitingForOthers(context) }
      const verified = drop
        ? await dropDamaged(store, options)
        : await usingStore(store, context, () => verifyStore(store, options))
      return verifyAnswer(verified, nextStep(verified, drop))
    },
  })
}

function nextStep({ problems }: Verified, hasDropped: boolean): string | undefined {
  if (problems.length === 0) return undefined
  if (problems.every(({ missing }) => missing !== undefined)) return 'realize again what is missing'
  return hasDropped
    ? 'what was damaged is deleted: realize what needs it again'
    : 'delete what is damaged with --drop, then realize what needs it again'
}
