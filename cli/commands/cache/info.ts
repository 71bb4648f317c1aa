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
    description:
      'print the caches that are asked, in that order, and whether they answer; fails where one does not that you named, here or in your settings',
    args: { caches: cacheOption, json: jsonFlag },
    examples: [
      { description: 'those of the settings', command: 'mixos cache info' },
      { description: 'one more', command: 'mixos cache info --cache https://cache.example' },
    ],
    handler: ({ caches }) => run(context, caches),
  })
}

async function run(context: Context, named: readonly string[]): Promise<Answer> {
  const [{ cacheSettings }, { identityOf }, { nodeHost: host }] = await Promise.all([
    import('../../../store/cache/settings.ts'),
    import('../../../store/cache/settings-file.ts'),
    import('../../../store/hosts/node.ts'),
  ])
  const { environment, project, report } = context
  const addresses = await cacheAddresses(context, named)
  const { caches, warnings } = cacheSettings(host, { environment, project, addresses })
  for (const warning of warnings) report({ type: 'warning', ...warning })
  const states = await Promise.all(caches.map(cache => stateOf(context, host, cache)))
  const lines = caches.map(({ address, policy, source }, index) => {
    const { keys, threshold } = policy
    const signers = keys.map(({ name }) => name).join(', ')
    return `${address}\n  ${states[index]?.text}; named by the ${source}; believed: ${plural(threshold, 'signature')} of ${signers}`
  })
  const asked = new Set(caches.map(({ address }) => identityOf(address)))
  return {
    text: lines.join('\n') || (warnings.length > 0 ? 'no cache is asked' : 'no cache is set'),
    record: {
      caches: caches.map(({ address, priority, policy, source }, index) => ({
        address,
        priority,
        source,
        threshold: policy.threshold,
        keys: policy.keys.map(({ name, id }) => ({ name, id })),
        state: states[index]?.text,
      })),
    },
    // Of what a project names, its user may have no use.
    isFailure:
      caches.some(({ source }, index) => source !== 'project' && !states[index]?.isAnswer) ||
      addresses.some(address => !asked.has(identityOf(address))),
  }
}

interface State {
  readonly text: string
  readonly isAnswer: boolean
}

async function stateOf(context: Context, host: Host, setting: CacheSetting): Promise<State> {
  const { checkInfo } = await import('../../../store/cache/info.ts')
  try {
    const storage = await openToRead(context, { host }, setting)
    try {
      const isCache = await checkInfo(storage, context.signal)
      return { text: isCache ? 'answers' : 'holds no cache yet', isAnswer: true }
    } finally {
      await storage.close()
    }
  } catch (error) {
    if (!(error instanceof MixosError)) throw error
    return { text: [error.message, error.hint].filter(Boolean).join('; '), isAnswer: false }
  }
}
