import { command } from 'cmd-ts'
import { MixosError } from '../../../graph/error.ts'
import type { Pushed } from '../../../store/cache/push.ts'
import {
  badArgument,
  CacheAddress,
  countType,
  fileOption,
  jsonFlag,
  MOST_DAYS,
  names,
  optional,
  pathOption,
  required,
} from '../../args.ts'
import { openToWrite } from '../../caches.ts'
import { type Context, requireHome } from '../../context.ts'
import { bytes, plural } from '../../format.ts'
import { signingKey } from '../../keys.ts'
import { loadPackages, namedPackages, realizeCommand } from '../../recipes.ts'
import type { Answer } from '../../report.ts'

const DAY = 24 * 3_600_000

export function push(context: Context) {
  return command({
    name: 'push',
    description:
      'copy packages, and all they were made from, to a cache, and sign for what was made here',
    args: {
      names: names('the packages'),
      to: required({ long: 'to', type: CacheAddress, description: 'the cache: a path or a URL' }),
      key: pathOption('key', 'the file of the secret key to sign with (default: the only one)'),
      expires: optional({
        long: 'expires',
        type: countType('days', { most: MOST_DAYS }),
        description: 'sign for so many days only; push again in time',
      }),
      file: fileOption,
      json: jsonFlag,
    },
    examples: [
      { description: 'to a directory', command: 'mixos cache push iso --to /srv/cache' },
      { description: 'to a bucket', command: 'mixos cache push iso --to s3://team-cache' },
    ],
    handler: args => run(context, args),
  })
}

interface Args {
  readonly names: string[]
  readonly to: string
  readonly key: string | undefined
  readonly expires: number | undefined
  readonly file: string | undefined
}

async function run(context: Context, args: Args): Promise<Answer> {
  if (args.names.length === 0)
    throw badArgument('nothing to push', 'name a package: mixos cache push iso --to CACHE')
  const packages = await loadPackages(context, args)
  const named = namedPackages(packages, args.names)
  const store = await requireHome(context)
  const [{ push }, { tracesOf }, { usingStore }, { hashDerivation }] = await Promise.all([
    import('../../../store/cache/push.ts'),
    import('../../../store/realize/known.ts'),
    import('../../../store/using-store.ts'),
    import('../../../graph/hash.ts'),
  ])
  const key = await signingKey(store.host, context, args.key)
  const { signal, report } = context
  const lifetime = args.expires === undefined ? undefined : args.expires * DAY
  const storage = await openToWrite(context, store, args.to)
  const pushAll = async (): Promise<Pushed> => {
    const traces = tracesOf(store, [...named.values()])
    const isHere = new Set(traces.map(({ derivation }) => derivation))
    const missing = [...named].find(([, drv]) => !isHere.has(hashDerivation(drv)))
    if (missing)
      throw new MixosError('OBJECT_UNKNOWN', `${missing[0]} is not realized`, {
        hint: `first run: ${realizeCommand([missing[0]], args)}`,
      })
    return push(store, storage, traces, { key, lifetime, signal, report })
  }
  try {
    const pushed = await usingStore(store, context, pushAll)
    const added = pushed.objects - pushed.present
    const others =
      pushed.passedOn > 0
        ? `, passed on what others signed of ${plural(pushed.passedOn, 'step')}`
        : ''
    const text = `pushed ${plural(added, 'object')} of ${plural(pushed.objects, 'object')} (${bytes(pushed.bytes)}), signed ${plural(pushed.signed, 'step')} as ${key.public.name}${others}`
    return { text, record: { ...pushed, key: key.public.id, to: storage.name } }
  } finally {
    await storage.close()
  }
}
