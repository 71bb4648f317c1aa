import { command } from 'cmd-ts'
import { shortestPath } from '../../graph/closure.ts'
import { type Derivation, labelOf } from '../../graph/derivation.ts'
import type { PackageSet } from '../../graph/package-set.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { referencesOf } from '../../store/object-closure.ts'
import type { Store } from '../../store/store.ts'
import { fileOption, jsonFlag, name } from '../args.ts'
import { type Context, requireHome } from '../context.ts'
import { findObject, isStorePath } from '../objects.ts'
import { loadPackages } from '../recipes.ts'
import type { Answer } from '../report.ts'

export function whyDepends(context: Context) {
  return command({
    name: 'why-depends',
    description: 'show a shortest way from a package to another that it needs',
    args: {
      from: name('a package, or an object in the store', 'a'),
      to: name('what it needs, of the same kind', 'b'),
      json: jsonFlag,
      file: fileOption,
    },
    examples: [
      { description: 'why the image needs GCC to be built', command: 'mixos why-depends iso gcc' },
      {
        description: 'why an object refers to another when it runs',
        command: 'mixos why-depends "$(mixos realize system)" "$(mixos realize musl)"',
      },
    ],
    handler: async ({ from, to, file }): Promise<Answer> => {
      if (isStorePath(from) || isStorePath(to))
        return alongReferences(await requireHome(context), from, to)
      return alongInputs(await loadPackages(context, { file }), from, to)
    },
  })
}

/** What A is built from, by the names of the inputs. */
function alongInputs(packages: PackageSet, from: string, to: string): Answer {
  const inputsOf = (drv: Derivation) => Object.values(drv.inputs).map(input => input.derivation)
  const way = shortestPath(packages.get(from), packages.get(to), inputsOf)
  if (!way) return none(from, to, 'is not built from')
  const steps = way.map((drv, index) => {
    const previous = way[index - 1]
    const slot = Object.entries(previous?.inputs ?? {}).find(
      ([, input]) => input.derivation === drv,
    )?.[0]
    return { label: labelOf(drv), ...(slot !== undefined && { input: slot }) }
  })
  return answerOf(
    steps.map(({ label, input }) => (input ? `${label}, as its input ${input}` : label)),
    steps,
  )
}

/** What A refers to. */
function alongReferences(store: Store, from: string, to: string): Answer {
  const [a, b] = [findObject(store, from), findObject(store, to)]
  const way = shortestPath<StorePath>(a, b, path => referencesOf(store, path))
  if (!way) return none(a, b, 'does not refer to')
  return answerOf(
    way,
    way.map(path => ({ path })),
  )
}

function answerOf(lines: readonly string[], way: readonly object[]): Answer {
  const text = lines.map((line, depth) =>
    depth === 0 ? line : `${'    '.repeat(depth - 1)}└── ${line}`,
  )
  return { text: text.join('\n'), record: { way } }
}

function none(from: string, to: string, relation: string): Answer {
  return { text: `${from} ${relation} ${to}`, record: { way: [] }, isFailure: true }
}
