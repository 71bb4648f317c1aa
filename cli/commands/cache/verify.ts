import { command, flag, positional } from 'cmd-ts'
import type { VerifiedCache } from '../../../store/cache/verify.ts'
import { CacheAddress, jsonFlag } from '../../args.ts'
import { openToWrite } from '../../caches.ts'
import { type Context, openHome } from '../../context.ts'
import { plural } from '../../format.ts'
import type { Answer } from '../../report.ts'

export function verify(context: Context) {
  return command({
    name: 'verify',
    description: 'read every byte of a cache and compare it with the objects',
    args: {
      address: positional({
        type: CacheAddress,
        displayName: 'cache',
        description: 'a path or a URL',
      }),
      drop: flag({
        long: 'drop',
        description: 'delete what is damaged, so that the next push writes it anew',
      }),
      json: jsonFlag,
    },
    examples: [
      { description: 'a directory', command: 'mixos cache verify /srv/cache' },
      {
        description: 'repair it',
        command: 'mixos cache verify /srv/cache --drop && mixos cache push iso --to /srv/cache',
      },
    ],
    handler: async ({ address, drop }): Promise<Answer> => {
      const [{ verifyCache }, { listKeys }] = await Promise.all([
        import('../../../store/cache/verify.ts'),
        import('../../../store/cache/settings.ts'),
      ])
      const store = await openHome(context)
      const storage = await openToWrite(context, store, address)
      try {
        const { signal, environment, report } = context
        const keys = listKeys(store.host, environment)
        const verified = await verifyCache(store, storage, { keys, drop, signal, report })
        return answerOf(verified, drop)
      } finally {
        await storage.close()
      }
    },
  })
}

function answerOf(verified: VerifiedCache, drop: boolean): Answer {
  const { objects, traces, unverified, problems } = verified
  const sum = `${plural(objects, 'object')} and ${plural(traces, 'trace')} checked`
  const note =
    unverified > 0
      ? `${plural(unverified, 'trace')} signed by keys that are not trusted here: whether their signatures hold was not looked at`
      : undefined
  const noted = note === undefined ? {} : { note }
  if (problems.length === 0) return { text: `${sum}: all is well`, record: verified, ...noted }
  const lines = problems.map(({ path, message }) => `${path}: ${message}`)
  const next = drop
    ? 'what is damaged was deleted; now write it anew: mixos cache push NAME… --to CACHE'
    : 'to repair that, delete it with --drop and push again'
  return {
    text: [...lines, `${sum}: ${plural(problems.length, 'problem')} found; ${next}`].join('\n'),
    record: verified,
    ...noted,
    isFailure: true,
  }
}
