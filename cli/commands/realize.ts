import { availableParallelism } from 'node:os'
import { command, flag } from 'cmd-ts'
import { labelOf } from '../../graph/derivation.ts'
import type { Outputs, Plan } from '../../graph/plan.ts'
import { absolute } from '../../graph/store-path.ts'
import type { Challenged } from '../../store/realize/challenge.ts'
import {
  badArgument,
  cacheOption,
  coresOption,
  fileOption,
  jobsOption,
  jsonFlag,
  names,
  pathOption,
} from '../args.ts'
import { cachesOf } from '../caches.ts'
import { type Context, openHome } from '../context.ts'
import { plural, table } from '../format.ts'
import { describeRealized, linksOf } from '../realized.ts'
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
      challenge: flag({
        long: 'challenge',
        description: 'compare every step that was made here with what all caches say of it',
      }),
      caches: cacheOption,
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
  readonly challenge: boolean
  readonly file: string | undefined
  readonly outLink: string | undefined
  readonly caches: string[]
}

async function run(context: Context, args: Args): Promise<Answer> {
  if (args.outLink !== undefined && new Set(args.names).size > 1) {
    throw badArgument(
      '--out-link is one path, and several packages are named',
      'leave it out: each gets its link artifacts/NAME',
    )
  }
  const packages = await loadPackages(context, args)
  if (args.names.length === 0)
    throw badArgument('nothing to realize', `name a package, of: ${packages.names.join(', ')}`)
  const named = namedPackages(packages, args.names)
  if (args.dryRun) return describePlan(await planAt(context, packages, { named, ...args }))

  const store = await openHome(context)
  await using substituter = cachesOf(context, store, args.caches)
  const links = linksOf(context, named, args.outLink)
  const cpus = availableParallelism()
  const flags: RunFlags = { ...args, jobs: args.jobs ?? cpus, cores: args.cores ?? cpus }
  const realized = await realizeAll(context, {
    store,
    packages,
    named,
    links,
    flags,
    substituter,
  })
  const made = describeRealized(store, named, { realized, links })
  // Where an output differs, realizing has failed.
  const outputs = [...new Set(named.values())].flatMap(drv => Object.keys(realized.get(drv) ?? {}))
  const note = `${plural(outputs.length, 'output')} made once more, without a difference`
  const answer = args.check ? { ...made, note } : made
  if (!args.challenge) return answer
  const { tracesOf } = await import('../../store/realize/known.ts')
  const traces = tracesOf(store, [...named.values()]).filter(({ statements }) => !statements)
  return describeChallenged(answer, traces.length, await substituter.challenge(traces))
}

/** A line for each step and signer who disagrees, and the sum for each signer. */
function describeChallenged(answer: Answer, steps: number, said: readonly Challenged[]): Answer {
  const lines = said
    .filter(({ agrees }) => !agrees)
    .flatMap(({ label, signer, cache, differences }) => [
      `${label}: ${signer} of ${cache} disagrees`,
      ...differences.map(line => `  ${line}`),
    ])
  const bySigner = Map.groupBy(said, ({ signer, cache }) => `${signer} of ${cache}`)
  const sums = [...bySigner].map(([who, all]) => {
    const agreed = all.filter(({ agrees }) => agrees).length
    return `${who} agrees on ${agreed} of ${plural(all.length, 'step')}; ${plural(steps, 'step')} made here`
  })
  if (sums.length === 0) sums.push(`no signer says anything of ${plural(steps, 'step')} made here`)
  return {
    ...answer,
    text: [answer.text, ...lines, ...sums].join('\n'),
    record: { ...answer.record, challenged: said },
    isFailure: lines.length > 0,
  }
}

function describePlan({ steps }: Plan): Answer {
  // Equal steps of several packages are one.
  const distinct = [...new Map(steps.map(step => [step.hash, step])).values()]
  const todo = distinct.filter(step => step.action !== 'reuse')
  const count = (action: string): number => distinct.filter(step => step.action === action).length
  const rows = todo.map(step => [step.action, labelOf(step.derivation)])
  const taken = count('substitute')
  const sum = `${plural(count('build'), 'step')} to build, ${count('fetch')} to fetch, ${taken > 0 ? `${taken} to take from caches, ` : ''}${count('reuse')} to reuse`
  const text = todo.length === 0 ? 'nothing to do' : `${table(rows)}\n${sum}`
  const plan = distinct.map(({ hash, action, derivation, outputs }) => ({
    label: labelOf(derivation),
    derivation: hash,
    action,
    ...(outputs && { outputs: pathsOf(outputs) }),
  }))
  return { text, record: { plan } }
}

function pathsOf(outputs: Outputs): Record<string, string> {
  return Object.fromEntries(Object.entries(outputs).map(([name, path]) => [name, absolute(path)]))
}
