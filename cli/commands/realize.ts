import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { command, flag } from 'cmd-ts'
import type { Derivation } from '../../graph/derivation.ts'
import { labelOf } from '../../graph/derivation.ts'
import { hashDerivation } from '../../graph/hash.ts'
import type { Outputs, Plan } from '../../graph/plan.ts'
import { absolute as insideStore } from '../../graph/store-path.ts'
import type { Store } from '../../store/store.ts'
import {
  badArgument,
  coresOption,
  fileOption,
  jobsOption,
  jsonFlag,
  names,
  pathOption,
} from '../args.ts'
import { absolute, type Context, openHome } from '../context.ts'
import { plural, table } from '../format.ts'
import { loadPackages, namedPackages } from '../recipes.ts'
import type { Answer } from '../report.ts'
import { planAt, type RunFlags, realizeAll } from '../run.ts'

export function realize(context: Context) {
  return command({
    name: 'realize',
    description: 'make packages exist: reuse what is there, fetch and build the rest',
    args: {
      names: names('the packages'),
      dryRun: flag({ long: 'dry-run', description: 'print what would be done, and do nothing' }),
      json: jsonFlag,
      jobs: jobsOption,
      cores: coresOption,
      keepGoing: flag({
        long: 'keep-going',
        description: 'after a failure go on with what does not depend on it',
      }),
      keepFailed: flag({
        long: 'keep-failed',
        description: 'keep the build directory of a build that fails',
      }),
      check: flag({
        long: 'check',
        description: 'build the packages once more and compare every output',
      }),
      file: fileOption,
      outLink: pathOption(
        'out-link',
        'link the package here, not at artifacts/NAME; what is linked is kept by gc',
      ),
    },
    examples: [
      { description: 'the image and all it is made from', command: 'mixos realize iso' },
      { description: 'what that would take', command: 'mixos realize iso --dry-run' },
      {
        description: 'two packages, one build at a time',
        command: 'mixos realize musl grub --jobs 1',
      },
      { description: 'is a build reproducible?', command: 'mixos realize busybox --check' },
      { description: 'a package of your own', command: 'mixos realize hello -f hello.ts' },
    ],
    handler: args => run(context, args),
  })
}

interface Args {
  readonly names: string[]
  readonly dryRun: boolean
  readonly jobs: number | undefined
  readonly cores: number | undefined
  readonly keepGoing: boolean
  readonly keepFailed: boolean
  readonly check: boolean
  readonly file: string | undefined
  readonly outLink: string | undefined
}

async function run(context: Context, args: Args): Promise<Answer> {
  if (args.names.length === 0)
    throw badArgument('nothing to realize', 'name a package: mixos realize iso')
  if (args.outLink !== undefined && new Set(args.names).size > 1) {
    throw badArgument(
      '--out-link is one path, and several packages are named',
      'leave it out: each gets its link artifacts/NAME',
    )
  }
  const packages = await loadPackages(context, args)
  const named = namedPackages(packages, args.names)
  if (args.dryRun) return describePlan(await planAt(context, packages, [...named.values()]))

  const store = await openHome(context)
  const links = linksOf(context, named, args.outLink)
  const cpus = availableParallelism()
  const flags: RunFlags = { ...args, jobs: args.jobs ?? cpus, cores: args.cores ?? cpus }
  const realized = await realizeAll(context, { store, packages, named, links, flags })
  return describeRealized(store, named, { realized, links })
}

/** In the checkout its `artifacts/` is the place, elsewhere one in the current directory. */
function linksOf(
  { directory, project }: Context,
  named: ReadonlyMap<string, Derivation>,
  outLink: string | undefined,
): Map<string, Derivation> {
  const isInside = !relative(project, directory).startsWith('..')
  const artifacts = join(isInside ? project : directory, 'artifacts')
  const links = [...named].map(([name, drv]) => {
    const link = outLink === undefined ? join(artifacts, name) : absolute(outLink, directory)
    return [link, drv] as const
  })
  return new Map(links)
}

function describePlan({ steps }: Plan): Answer {
  // Equal steps of several packages are one.
  const distinct = [...new Map(steps.map(step => [step.hash, step])).values()]
  const todo = distinct.filter(step => step.action !== 'reuse')
  const count = (action: string): number => distinct.filter(step => step.action === action).length
  const rows = todo.map(step => [step.action, labelOf(step.derivation)])
  const sum = `${plural(count('build'), 'step')} to build, ${count('fetch')} to fetch, ${count('reuse')} to reuse`
  const text = todo.length === 0 ? 'nothing to do' : `${table(rows)}\n${sum}`
  const plan = distinct.map(({ hash, action, derivation, outputs }) => ({
    label: labelOf(derivation),
    derivation: hash,
    action,
    ...(outputs && { outputs }),
  }))
  return { text, record: { plan } }
}

function describeRealized(
  store: Store,
  named: ReadonlyMap<string, Derivation>,
  {
    realized,
    links,
  }: { realized: ReadonlyMap<Derivation, Outputs>; links: ReadonlyMap<string, Derivation> },
): Answer {
  const packages = [...named].map(([name, drv]) => {
    const outputs = Object.entries(realized.get(drv) ?? {}).map(([output, path]) => [
      output,
      { path: insideStore(path), hostPath: store.hostPath(path) },
    ])
    const link = [...links].find(([, linked]) => linked === drv)?.[0]
    const record = { derivation: hashDerivation(drv), outputs: Object.fromEntries(outputs), link }
    return [name, record] as const
  })
  const paths = [...named.values()].flatMap(drv => Object.values(realized.get(drv) ?? {}))
  return {
    text: paths.map(path => store.hostPath(path)).join('\n'),
    record: { packages: Object.fromEntries(packages) },
  }
}
