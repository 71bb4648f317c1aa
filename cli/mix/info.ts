import { command, positional } from 'cmd-ts'
import { unknownPackage } from '../../graph/solver.ts'
import { absolute } from '../../graph/store-path.ts'
import { newestOf } from '../../store/target/newest.ts'
import { jsonFlag, PackageName } from '../args.ts'
import { bytes, sum, table } from '../format.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { installedNow, openMachine } from './machine.ts'
import { offeredBy } from './offered.ts'

export function info(context: MixContext) {
  return command({
    name: 'info',
    description: 'show what is known of a package, installed or not',
    args: {
      name: positional({ displayName: 'name', type: PackageName, description: 'the package' }),
      json: jsonFlag,
    },
    examples: [{ description: 'what is openssh?', command: 'mix info openssh' }],
    handler: async ({ name }): Promise<Answer> => {
      const installed = installedNow(openMachine(context))
      const here = installed.find(one => one.name === name)
      const offered = await offeredBy(context)
      const offer = newestOf(offered).get(name)
      const found = here ?? offer
      if (!found) {
        throw unknownPackage(
          name,
          offered.length === 0 ? [] : [...installed, ...offered].map(one => one.name),
        )
      }
      const rows: [string, string | undefined][] = [
        ['name', found.name],
        ['version', found.version],
        [
          'installed',
          here ? (here.isRequested ? 'yes' : 'yes, because another package needs it') : 'no',
        ],
        ['newest', offer?.version],
        ['description', found.description],
        ['license', found.license],
        ['homepage', found.homepage],
        ['depends on', found.dependencies.join(', ')],
        ['services', found.services.join(', ')],
        ['config files', found.config.map(path => `/etc/${path}`).join(', ')],
        ['size', offer && bytes(sum(offer.sizes))],
        ['download', offer && bytes(sum(offer.downloads))],
        ['object', absolute(found.path)],
      ]
      const lines = rows.filter((row): row is [string, string] => Boolean(row[1]))
      return {
        text: table(lines),
        record: {
          ...found,
          path: absolute(found.path),
          isInstalled: here !== undefined,
          newest: offer?.version,
        },
      }
    },
  })
}
