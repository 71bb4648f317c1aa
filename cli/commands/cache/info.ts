import { command } from 'cmd-ts'
import { MixosError } from '../../../graph/error.ts'
import type { CacheSetting } from '../../../store/cache/settings.ts'
import type { Host } from '../../../store/host.ts'
import { cacheOption, jsonFlag } from '../../args.ts'
import { cacheAddresses, openToRead } from '../../caches.ts'
import type { Context } from '../../context.ts'
import { plural } from '../../format.ts'
import type { Answer } from '../../report.ts'

export function info(context: Context) {
  return command({
    name: 'info',
    description: 'print the caches that are asked, in that order, and whether they answer',
    args: { caches: cacheOption, json: jsonFlag },
    examples: [
      { description: 'those of the settings', command: 'mixos cache info' },
      { description: 'one more', command: 'mixos cache info --cache https://cache.example' },
    ],
    handler: ({ caches }) => run(context, caches),
  })
}

async function run(context: Context, addresses: readonly string[]): Promise<Answer> {
  const [{ cacheSettings }, { nodeHost: host }] = await Promise.all([
    import('../../../store/cache/settings.ts'),
    import('../../../store/hosts/node.ts'),
  ])
  const { environment, project, report } = context
  const { caches, warnings } = cacheSettings(host, {
    environment,
    project,
    addresses: cacheAddresses(context, addresses),
  })
  for (const warning of warnings) report({ type: 'warning', ...warning })
  const states = await Promise.all(caches.map(cache => stateOf(context, host, cache)))
  const lines = caches.map(({ address, policy, source }, index) => {
    const { keys, threshold } = policy
    const signers = keys.map(({ name }) => name).join(', ')
    return `${address}\n  ${states[index]}; named by the ${source}; believed: ${plural(threshold, 'signature')} of ${signers}`
  })
  return {
    text: lines.join('\n') || (warnings.length > 0 ? 'no cache is asked' : 'no cache is set'),
    record: {
      caches: caches.map(({ address, priority, policy, source }, index) => ({
        address,
        priority,
        source,
        threshold: policy.threshold,
        keys: policy.keys.map(({ name, id }) => ({ name, id })),
        state: states[index],
      })),
    },
  }
}

async function stateOf(context: Context, host: Host, setting: CacheSetting): Promise<string> {
  const { checkInfo } = await import('../../../store/cache/info.ts')
  try {
    const storage = await openToRead(context, { host }, setting)
    try {
      return (await checkInfo(storage, context.signal)) ? 'answers' : 'holds no cache yet'
    } finally {
      await storage.close()
    }
  } catch (error) {
    if (error instanceof MixosError) return [error.message, error.hint].filter(Boolean).join('; ')
    throw error
  }
}
