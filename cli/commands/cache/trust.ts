import { command, positional, string } from 'cmd-ts'
import { jsonFlag, readArgument } from '../../args.ts'
import { type Context, requireHome } from '../../context.ts'
import { plural } from '../../format.ts'
import { group } from '../../group.ts'
import type { Answer } from '../../report.ts'
import { waitingForOthers } from '../../waiting.ts'

export function trust(context: Context) {
  return group({
    name: 'trust',
    description: 'say whose builds are believed',
    cmds: {
      add: add(context),
      list: list(context),
      remove: remove(context),
      forget: forget(context),
    },
    examples: [
      { description: 'believe a colleague', command: 'mixos cache trust add alice:KEY' },
      { description: 'whom do I believe?', command: 'mixos cache trust list' },
    ],
  })
}

function add({ environment }: Context) {
  return command({
    name: 'add',
    description: 'believe what is signed with a key',
    args: {
      key: positional({ type: string, displayName: 'name:key', description: 'its public half' }),
      json: jsonFlag,
    },
    examples: [{ description: 'as keygen printed it', command: 'mixos cache trust add alice:KEY' }],
    handler: async ({ key: text }): Promise<Answer> => {
      const { host, settings, keys } = await modules()
      const key = readArgument(() => keys.parsePublicKey(text, 'the argument'))
      const isNew = await settings.addKey(host, environment, key)
      return {
        text: isNew ? `trusted: ${key.name} (${key.id})` : `${key.name} is trusted already`,
        record: { name: key.name, id: key.id, isNew },
      }
    },
  })
}

function list({ environment }: Context) {
  return command({
    name: 'list',
    description: 'print the keys that are believed',
    args: { json: jsonFlag },
    examples: [{ description: 'all of them', command: 'mixos cache trust list' }],
    handler: async (): Promise<Answer> => {
      const { host, settings, keys } = await modules()
      const trusted = settings.listKeys(host, environment)
      return {
        text: trusted.map(keys.formatPublicKey).join('\n'),
        ...(trusted.length === 0 && { note: 'no key is trusted' }),
        record: { keys: trusted.map(({ name, id, base64 }) => ({ name, id, key: base64 })) },
      }
    },
  })
}

function remove({ environment }: Context) {
  return command({
    name: 'remove',
    description: 'believe a key no more; what was taken before stays',
    args: {
      name: positional({ type: string, displayName: 'name', description: "the key's name" }),
      json: jsonFlag,
    },
    examples: [
      { description: 'who left, or has another', command: 'mixos cache trust remove alice' },
    ],
    handler: async ({ name }): Promise<Answer> => {
      const { host, settings } = await modules()
      const { id } = await settings.removeKey(host, environment, name)
      const rest = settings.listKeys(host, environment).length
      return {
        text: `removed: ${name} (${id}); ${plural(rest, 'key')} left`,
        record: { name, id },
        note: `what was taken on its word stays; if its secret got out: mixos cache trust forget ${id}`,
      }
    },
  })
}

function forget(context: Context) {
  const { environment, signal } = context
  return command({
    name: 'forget',
    description: 'forget what was taken on the word of a key, and all that came since',
    args: {
      key: positional({
        type: string,
        displayName: 'key',
        description: "the key's name, or what trust remove printed behind it",
      }),
      json: jsonFlag,
    },
    examples: [
      {
        description: 'its secret got out',
        command: 'mixos cache trust forget alice && mixos cache trust remove alice',
      },
    ],
    handler: async ({ key }): Promise<Answer> => {
      const { host, settings, keys } = await modules()
      const trusted = settings.listKeys(host, environment).find(({ name }) => name === key)
      const id = trusted?.id ?? keys.parseKeyId(key, 'the argument')
      const store = await requireHome(context)
      const { forgetKey } = await import('../../../store/cache/forget-key.ts')
      const { taken, since } = await forgetKey(store, id, {
        signal,
        onWait: waitingForOthers(context),
      })
      const text =
        taken === 0
          ? `nothing here was taken on the word of ${key}`
          : `forgot ${plural(taken, 'step')} that ${key} signed, and ${plural(since, 'step')} that came since: the next realization makes them again`
      return {
        text,
        record: { key: id, taken, since },
        ...(trusted && {
          note: `${key} is trusted still: to end that, mixos cache trust remove ${key}`,
        }),
      }
    },
  })
}

async function modules() {
  const [{ nodeHost: host }, settings, keys] = await Promise.all([
    import('../../../store/hosts/node.ts'),
    import('../../../store/cache/settings.ts'),
    import('../../../store/cache/keys.ts'),
  ])
  return { host, settings, keys }
}
