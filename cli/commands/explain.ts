import { command, positional } from 'cmd-ts'
import { type Derivation, labelOf } from '../../graph/derivation.ts'
import { explainDerivation, hashDerivation } from '../../graph/hash.ts'
import type { Plan } from '../../graph/plan.ts'
import { fileOption, jsonFlag, name, PackageName } from '../args.ts'
import { type Context, openExistingHome } from '../context.ts'
import { table } from '../format.ts'
import { loadPackages } from '../recipes.ts'
import type { Answer } from '../report.ts'
import { planAt } from '../run.ts'

export function explain(context: Context) {
  return command({
    name: 'explain',
    description: 'show the hashes of a package and every field that was hashed, or how two differ',
    args: {
      name: name('the package'),
      other: positional({
        type: { ...PackageName, defaultValue: (): string | undefined => undefined },
        displayName: 'other',
        description: 'another package: only the fields that differ are shown',
      }),
      json: jsonFlag,
      file: fileOption,
    },
    examples: [
      { description: 'everything that decides what busybox is', command: 'mixos explain busybox' },
      { description: 'why two hashes differ', command: 'mixos explain musl musl-bootstrap' },
    ],
    handler: async ({ name, other, file }): Promise<Answer> => {
      const packages = await loadPackages(context, { file })
      const drv = packages.get(name)
      if (other !== undefined) return compare(drv, packages.get(other))
      const plan = await planAt(context, packages, { caches: [], named: new Map([[name, drv]]) })
      return describe(drv, { ...doneBy(plan, drv), ...(await tracedOf(context, drv)) })
    },
  })
}

interface Known {
  /** What realizing it now would do. */
  readonly action: string
  /** Its inputs that are not there yet. */
  readonly missing: readonly string[]
  readonly resolved?: string
  readonly outputs?: Readonly<Record<string, string>>
}

function doneBy({ steps }: Plan, drv: Derivation): Pick<Known, 'action' | 'missing'> {
  const hash = hashDerivation(drv)
  const needed = new Set(Object.values(drv.inputs).map(input => hashDerivation(input.derivation)))
  const todo = steps.filter(step => needed.has(step.hash) && step.action !== 'reuse')
  return {
    action: steps.find(step => step.hash === hash)?.action ?? 'reuse',
    missing: [...new Set(todo.map(step => labelOf(step.derivation)))],
  }
}

async function tracedOf(
  context: Context,
  drv: Derivation,
): Promise<Omit<Known, 'action' | 'missing'>> {
  const store = await openExistingHome(context)
  const trace = store?.trace(hashDerivation(drv))
  if (!store || !trace) return {}
  const outputs = Object.entries(trace.outputs).map(([name, path]) => [name, store.hostPath(path)])
  return { resolved: trace.resolved, outputs: Object.fromEntries(outputs) }
}

function describe(drv: Derivation, known: Known): Answer {
  const { action, missing, resolved, outputs } = known
  const hash = hashDerivation(drv)
  const rows = [
    ['derivation hash', hash],
    ['resolved hash', resolved ?? 'known when its inputs are there'],
    ...Object.entries(outputs ?? {}).map(([name, path]) => [`output ${name}`, path]),
    ['realizing it now', ACTION[action] ?? action],
    ...(missing.length > 0 ? [['its missing inputs', missing.join(' ')]] : []),
  ]
  const inputs = Object.entries(drv.inputs).map(([slot, input]) => [
    `input.${slot}`,
    labelOf(input.derivation, input.output),
  ])
  const parts = [labelOf(drv), table(rows), 'what was hashed:', explainDerivation(drv)]
  if (inputs.length > 0) parts.push('where', table(inputs))
  const record = {
    label: labelOf(drv),
    derivation: hash,
    ...known,
    fields: fieldsOf(drv),
  }
  return { text: parts.join('\n\n'), record }
}

const ACTION: Readonly<Record<string, string>> = {
  reuse: 'nothing to do',
  substitute: 'takes it from a cache',
  fetch: 'fetches it',
  build: 'builds it, unless its inputs come out as they were in an earlier build',
}

function compare(a: Derivation, b: Derivation): Answer {
  const [left, right] = [fieldsOf(a), fieldsOf(b)]
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])]
  const differing = names.filter(name => left[name] !== right[name])
  const lines = differing.flatMap(name => difference(name, left[name], right[name]))
  const head = `- ${labelOf(a)}  ${hashDerivation(a)}\n+ ${labelOf(b)}  ${hashDerivation(b)}`
  const record = Object.fromEntries(differing.map(name => [name, [left[name], right[name]]]))
  const text =
    differing.length === 0
      ? `${labelOf(a)} is the same derivation`
      : `${head}\n\n${lines.join('\n')}`
  return { text, record: { differing: record } }
}

/** Of texts with several lines, the lines that only one of them has. */
function difference(name: string, before?: string, after?: string): string[] {
  const [old, new_] = [linesOf(before), linesOf(after)]
  if (old.length < 2 || new_.length < 2) {
    return [
      ...(before === undefined ? [] : [`- ${name} = ${before}`]),
      ...(after === undefined ? [] : [`+ ${name} = ${after}`]),
    ]
  }
  return [
    `  ${name}, in its lines:`,
    ...old.filter(line => !new_.includes(line)).map(line => `-     ${line}`),
    ...new_.filter(line => !old.includes(line)).map(line => `+     ${line}`),
  ]
}

const linesOf = (value = '""'): string[] => String(JSON.parse(value)).split('\n')

/** The hashed fields by name, as the text that they were explained with. */
function fieldsOf(drv: Derivation): Record<string, string> {
  const lines = explainDerivation(drv).split('\n')
  return Object.fromEntries(
    lines.map(line => [line.slice(0, line.indexOf(' = ')), line.slice(line.indexOf(' = ') + 3)]),
  )
}
