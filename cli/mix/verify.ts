import { command, flag } from 'cmd-ts'
import { absolute } from '../../graph/store-path.ts'
import type { Store } from '../../store/store.ts'
import { repair } from '../../store/target/repair.ts'
import { usingStore } from '../../store/using-store.ts'
import { type Progress, verify as verifyStore } from '../../store/verify.ts'
import { jsonFlag } from '../args.ts'
import type { Answer } from '../report.ts'
import { verifyAnswer } from '../verify-answer.ts'
import type { MixContext } from './context.ts'
import { openMachine } from './machine.ts'
import { objectsOf, offeredBy, storagesOf } from './offered.ts'

export function verify(context: MixContext) {
  return command({
    name: 'verify',
    description: 'read every object in the store and compare it with its record',
    args: {
      repair: flag({
        long: 'repair',
        description: 'fetch anew what is damaged or missing, from the repository that offers it',
      }),
      json: jsonFlag,
    },
    examples: [
      { description: 'is the store what it was?', command: 'mix verify' },
      { description: 'make it so', command: 'mix verify --repair' },
    ],
    handler: async ({ repair: isRepair }): Promise<Answer> => {
      const { store } = openMachine(context)
      const { signal, report } = context
      const onProgress = (progress: Progress): void => report({ type: 'verifying', ...progress })
      const next = 'fetch anew what is damaged with: mix verify --repair'
      const read = async () => verifyAnswer(await verifyStore(store, { signal, onProgress }), next)
      return usingStore(
        store,
        context,
        isRepair ? () => repaired(context, store, onProgress) : read,
      )
    },
  })
}

async function repaired(
  context: MixContext,
  store: Store,
  onProgress: (progress: Progress) => void,
): Promise<Answer> {
  const offers = await offeredBy(context)
  const objects = objectsOf(offers)
  const storages = storagesOf(context, offers)
  try {
    const result = await repair(store, {
      signal: context.signal,
      onProgress,
      sourceOf: async digest => {
        const found = objects.get(digest)
        return found && { path: found.path, storage: await storages.of(found.offer) }
      },
    })
    const { text, record, ...answer } = verifyAnswer(result)
    const lines = result.repaired.map(path => `repaired ${store.hostPath(path)}`)
    const left =
      result.problems.length > 0 ? ['no repository offers what is left; see: mix update'] : []
    return {
      ...answer,
      text: [...lines, text, ...left].join('\n'),
      record: { ...record, repaired: result.repaired.map(path => absolute(path)) },
    }
  } finally {
    await storages.close()
  }
}
