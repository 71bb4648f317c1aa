import { availableParallelism } from 'node:os'
import { command } from 'cmd-ts'
import { labelOf } from '../../../graph/derivation.ts'
import { MixosError } from '../../../graph/error.ts'
import { badArgument, cacheOption, fileOption, jsonFlag, names } from '../../args.ts'
import { cachesOf } from '../../caches.ts'
import { type Context, openHome } from '../../context.ts'
import { plural } from '../../format.ts'
import { describeRealized, linksOf } from '../../realized.ts'
import { loadPackages, namedPackages, realizeCommand } from '../../recipes.ts'
import type { Answer } from '../../report.ts'
import { planWith, realizeAll } from '../../run.ts'

export function pull(context: Context) {
  return command({
    name: 'pull',
    description: 'take packages from caches, or fail: nothing is built',
    args: { names: names('the packages'), caches: cacheOption, file: fileOption, json: jsonFlag },
    examples: [
      { description: 'the image', command: 'mixos cache pull iso --cache https://cache.example' },
    ],
    handler: args => run(context, args),
  })
}

interface Args {
  readonly names: string[]
  readonly caches: string[]
  readonly file: string | undefined
}

async function run(context: Context, args: Args): Promise<Answer> {
  if (args.names.length === 0)
    throw badArgument('nothing to pull', 'name a package: mixos cache pull iso')
  const packages = await loadPackages(context, args)
  const named = namedPackages(packages, args.names)
  const store = await openHome(context)
  await using substituter = cachesOf(context, store, args.caches)
  const plan = await planWith(store, packages, { roots: [...named.values()], substituter })
  const missing = plan.steps.filter(({ action }) => action === 'build' || action === 'fetch')
  const roots = new Set(named.values())
  const lacking = missing.filter(({ derivation }) => roots.has(derivation))
  if (lacking.length > 0) {
    const labels = lacking.map(({ derivation }) => labelOf(derivation)).join(', ')
    throw new MixosError(
      'OBJECT_UNKNOWN',
      `no cache has ${labels} with the signature of a key that you trust there`,
      {
        hint: `see who is asked and trusted: mixos cache info; trust who pushed it: mixos cache trust add NAME:KEY; or build it: ${realizeCommand(args.names, args)} (${plural(missing.length, 'step')})`,
      },
    )
  }
  const links = linksOf(context, named, undefined)
  const jobs = availableParallelism()
  const flags = { jobs, cores: jobs, onlySubstitute: true }
  const realized = await realizeAll(context, { store, packages, named, links, flags, substituter })
  return describeRealized(store, named, { realized, links })
}
