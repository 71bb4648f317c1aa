import { command, flag, positional, restPositionals } from 'cmd-ts'
import { closureOf } from '../../../graph/closure.ts'
import { hashDerivation } from '../../../graph/hash.ts'
import {
  CacheAddress,
  countType,
  fileOption,
  jsonFlag,
  MOST_DAYS,
  optional,
  PackageName,
} from '../../args.ts'
import { openToWrite } from '../../caches.ts'
import { type Context, openExistingHome } from '../../context.ts'
import { bytes, plural } from '../../format.ts'
import { loadPackages, namedPackages } from '../../recipes.ts'
import type { Answer } from '../../report.ts'

const DAY = 24 * 3_600_000
const DEFAULT_DAYS = 30

export function gc(context: Context) {
  return command({
    name: 'gc',
    description: 'delete what is old from a cache, except what the named packages need',
    args: {
      address: positional({
        type: CacheAddress,
        displayName: 'cache',
        description: 'a path or a URL',
      }),
      names: restPositionals({
        type: PackageName,
        displayName: 'name',
        description: 'packages to keep',
      }),
      days: optional({
        long: 'older-than',
        type: countType('days', { least: 0, most: MOST_DAYS }),
        description: `delete what was last pushed more days ago (default: ${DEFAULT_DAYS})`,
      }),
      dryRun: flag({ long: 'dry-run', description: 'count what would go, and delete nothing' }),
      file: fileOption,
      json: jsonFlag,
    },
    examples: [
      { description: 'what would go', command: 'mixos cache gc /srv/cache iso --dry-run' },
      { description: 'keep a week', command: 'mixos cache gc /srv/cache iso --older-than 7' },
    ],
    handler: args => run(context, args),
  })
}

interface Args {
  readonly address: string
  readonly names: string[]
  readonly days: number | undefined
  readonly dryRun: boolean
  readonly file: string | undefined
}

async function run(context: Context, args: Args): Promise<Answer> {
  const [{ collectCache }, { nodeHost }] = await Promise.all([
    import('../../../store/cache/collect.ts'),
    import('../../../store/hosts/node.ts'),
  ])
  const packages = await loadPackages(context, args)
  const roots = [...namedPackages(packages, args.names).values()]
  const steps = closureOf(roots, drv => Object.values(drv.inputs).map(input => input.derivation))
  const store = await openExistingHome(context)
  const keep = new Set<string>()
  for (const drv of steps) {
    const hash = hashDerivation(drv)
    keep.add(hash)
    const resolved = store?.trace(hash)?.resolved
    if (resolved) keep.add(resolved)
  }
  const storage = await openToWrite(context, { host: nodeHost }, args.address)
  try {
    const now = nodeHost.now()
    const gone = await collectCache(storage, {
      keep,
      since: now - (args.days ?? DEFAULT_DAYS) * DAY,
      youngerThan: now - DAY,
      signal: context.signal,
      dryRun: args.dryRun,
    })
    const verb = args.dryRun ? 'would delete' : 'deleted'
    const text = `${verb} ${plural(gone.objects, 'object')}, ${plural(gone.traces, 'trace')} and ${plural(gone.packs, 'pack')} of ${bytes(gone.bytes)} in all`
    return { text, record: gone }
  } finally {
    await storage.close()
  }
}
