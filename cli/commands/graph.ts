import { command, flag, oneOf } from 'cmd-ts'
import { type Derivation, labelOf } from '../../graph/derivation.ts'
import { graphOf, type StepGraph } from '../../graph/graph.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { fileOption, jsonFlag, name, optional } from '../args.ts'
import type { Context } from '../context.ts'
import { plural } from '../format.ts'
import { loadPackages } from '../recipes.ts'
import type { Answer } from '../report.ts'

const FORMATS = ['tree', 'dot', 'json'] as const

export function graph(context: Context) {
  return command({
    name: 'graph',
    description: 'show what a package is made from',
    args: {
      name: name('the package'),
      format: optional({
        long: 'format',
        description: 'tree, dot (for Graphviz) or json (default: tree)',
        type: { ...oneOf(FORMATS), displayName: FORMATS.join('|') },
      }),
      fetches: flag({ long: 'fetches', description: 'show downloads too; json always has them' }),
      json: jsonFlag,
      file: fileOption,
    },
    examples: [
      { description: 'as a tree', command: 'mixos graph iso' },
      {
        description: 'as a picture',
        command: 'mixos graph iso --format dot | dot -Tsvg > iso.svg',
      },
      {
        description: 'how many steps there are',
        command: "mixos graph iso --format json | jq '.steps | length'",
      },
    ],
    handler: async ({ name, format = 'tree', fetches, file }): Promise<Answer> => {
      const root = (await loadPackages(context, { file })).get(name)
      const steps = graphOf([root])
      const record = recordOf(root, steps)
      const shown = { withFetches: fetches }
      const text = {
        tree: () => tree(root, shown),
        dot: () => dot(steps, shown),
        json: () => JSON.stringify(record, undefined, 2),
      }
      return { text: text[format](), record }
    },
  })
}

interface Shown {
  readonly withFetches: boolean
}

/** Each step once with all below it; where it comes again, only its name. */
function tree(root: Derivation, { withFetches }: Shown): string {
  const lines: string[] = []
  const seen = new Set<Derivation>()
  const visit = (drv: Derivation, own: string, below: string): void => {
    const inputs = [...new Set(Object.values(drv.inputs).map(input => input.derivation))]
    const hidden = withFetches ? 0 : inputs.filter(input => input.fetch).length
    const shown = inputs.filter(input => withFetches || !input.fetch)
    const isRepeated = seen.has(drv) && inputs.length > 0
    const note = isRepeated ? ' (above)' : hidden > 0 ? ` (${plural(hidden, 'download')})` : ''
    lines.push(`${own}${labelOf(drv)}${note}`)
    if (isRepeated) return
    seen.add(drv)
    for (const [index, input] of shown.entries()) {
      const isLast = index === shown.length - 1
      visit(input, `${below}${isLast ? '└── ' : '├── '}`, `${below}${isLast ? '    ' : '│   '}`)
    }
  }
  visit(root, '', '')
  return lines.join('\n')
}

function dot(steps: StepGraph, { withFetches }: Shown): string {
  const isShown = (hash: string): boolean =>
    withFetches || !steps.getNodeAttribute(hash, 'derivation').fetch
  const id = (hash: string): string => JSON.stringify(hash.slice(0, 16))
  const nodes = steps
    .filterNodes(isShown)
    .map(hash => `  ${id(hash)} [label=${JSON.stringify(steps.getNodeAttribute(hash, 'label'))}]`)
  const edges = steps
    .filterEdges((_, __, from, to) => isShown(from) && isShown(to))
    .map(edge => `  ${id(steps.source(edge))} -> ${id(steps.target(edge))}`)
  return ['digraph {', '  node [shape=box]', ...nodes.sort(), ...edges.sort(), '}'].join('\n')
}

function recordOf(root: Derivation, steps: StepGraph): object {
  const entries = steps.mapNodes((hash, { derivation, label }) => {
    const inputs = Object.entries(derivation.inputs).map(([slot, input]) => [
      slot,
      { step: hashDerivation(input.derivation), output: input.output },
    ])
    const { outputs, fetch } = derivation
    return [hash, { label, inputs: Object.fromEntries(inputs), outputs, ...(fetch && { fetch }) }]
  })
  return { root: hashDerivation(root), steps: Object.fromEntries(entries) }
}
