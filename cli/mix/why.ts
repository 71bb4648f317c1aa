import { command, positional } from 'cmd-ts'
import { parseRequirement } from '../../graph/version-range.ts'
import type { InstalledPackage } from '../../store/target/installed.ts'
import { jsonFlag, PackageName } from '../args.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { installedNamed } from './installed-named.ts'
import { installedNow, openMachine } from './machine.ts'

export function why(context: MixContext) {
  return command({
    name: 'why',
    description: 'show why a package is installed',
    args: {
      name: positional({ displayName: 'name', type: PackageName, description: 'the package' }),
      json: jsonFlag,
    },
    examples: [{ description: 'who needs openssl?', command: 'mix why openssl' }],
    handler: async ({ name }): Promise<Answer> => {
      const installed = installedNow(openMachine(context))
      const found = await installedNamed(context, name, installed)
      const chain = chainTo(found, installed)
      const names = chain.map(one => one.name)
      const text = found.isRequested
        ? `${name} was asked for`
        : `${names[0]} was asked for: ${names.join(' needs ')}`
      return { text, record: { package: name, isRequested: found.isRequested, chain: names } }
    },
  })
}

/** A shortest way from a package that was asked for, that one first. */
function chainTo(
  found: InstalledPackage,
  installed: readonly InstalledPackage[],
): readonly InstalledPackage[] {
  const seen = new Set([found.name])
  const ways: InstalledPackage[][] = [[found]]
  for (let way = ways.shift(); way; way = ways.shift()) {
    const [first] = way
    if (!first || first.isRequested) return way
    for (const one of installed) {
      const needs = one.dependencies.some(text => parseRequirement(text).name === first.name)
      if (!needs || seen.has(one.name)) continue
      seen.add(one.name)
      ways.push([one, ...way])
    }
  }
  return [found]
}
