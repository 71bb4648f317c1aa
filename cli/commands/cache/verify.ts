import { command, positional, string } from 'cmd-ts'
import { jsonFlag } from '../../args.ts'
import { openCache } from '../../caches.ts'
import { type Context, openHome } from '../../context.ts'
import { plural } from '../../format.ts'
import type { Answer } from '../../report.ts'

export function verify(context: Context) {
  return command({
    name: 'verify',
    description: 'read every byte of a cache and compare it with the objects',
    args: {
      address: positional({ type: string, displayName: 'cache', description: 'a path or a URL' }),
      json: jsonFlag,
    },
    examples: [{ description: 'a directory', command: 'mixos cache verify /srv/cache' }],
    handler: async ({ address }): Promise<Answer> => {
      const { verifyCache } = await import('../../../store/cache/verify.ts')
      const store = await openHome(context)
      const storage = await openCache(context, store, { address })
      try {
        const { signal } = context
        const onObject = (): void => undefined
        const { checked, problems } = await verifyCache(store, storage, { signal, onObject })
        const sum = `${plural(checked, 'object')}, ${plural(problems.length, 'problem')}`
        const lines = problems.map(({ path, message }) => `${path}: ${message}`)
        return {
          text: [...lines, sum].join('\n'),
          record: { checked, problems },
          isFailure: problems.length > 0,
        }
      } finally {
        await storage.close()
      }
    },
  })
}
