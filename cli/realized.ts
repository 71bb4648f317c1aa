import { join, relative } from 'node:path'
import type { Derivation } from '../graph/derivation.ts'
import { hashDerivation } from '../graph/hash.ts'
import type { Outputs } from '../graph/plan.ts'
import { absolute as insideStore } from '../graph/store-path.ts'
import type { Store } from '../store/store.ts'
import { absolute, type Context } from './context.ts'
import type { Answer } from './report.ts'

/** In the checkout its `artifacts/` is the place, elsewhere one in the current directory. */
export function linksOf(
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

/** Where everything is. */
export function describeRealized(
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
