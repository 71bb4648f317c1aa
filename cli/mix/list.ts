import { command, flag } from 'cmd-ts'
import { isUpgrade, newestOf } from '../../store/target/newest.ts'
import { badArgument, jsonFlag } from '../args.ts'
import { table } from '../format.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { installedNow, openMachine } from './machine.ts'
import { noteOn, offeredBy } from './offered.ts'

export function list(context: MixContext) {
  return command({
    name: 'list',
    description: 'list packages: the installed ones, unless it is said otherwise',
    args: {
      installed: flag({ long: 'installed', description: 'those that are installed (the default)' }),
      outdated: flag({
        long: 'outdated',
        description: 'installed ones of which there is a newer version, or another build',
      }),
      available: flag({
        long: 'available',
        description: 'the newest version of all that repositories offer',
      }),
      json: jsonFlag,
    },
    examples: [
      { description: 'what is installed', command: 'mix list' },
      { description: 'what could be upgraded', command: 'mix list --outdated' },
    ],
    handler: async ({ json, ...kinds }): Promise<Answer> => {
      const given = Object.entries(kinds).flatMap(([kind, is]) => (is ? `--${kind}` : []))
      if (given.length > 1) throw badArgument(`${given.join(' and ')} exclude each other`)
      const { outdated, available } = kinds
      const machine = openMachine(context)
      if (available) {
        const offers = await offeredBy(context)
        return { ...answer([...newestOf(offers).values()]), ...noteOn(offers) }
      }
      const installed = installedNow(machine)
      if (!outdated) return answer(installed)
      const newest = newestOf(await offeredBy(context))
      const rows = installed.flatMap(one => {
        const offer = newest.get(one.name)
        if (!offer || !isUpgrade(one, offer)) return []
        const isRebuilt = offer.version === one.version
        return [{ name: one.name, installed: one.version, newest: offer.version, isRebuilt }]
      })
      return {
        text: table(
          rows.map(({ name, installed, newest, isRebuilt }) => {
            return [name, installed, '->', isRebuilt ? `${newest} (rebuilt)` : newest]
          }),
        ),
        record: { packages: rows },
        ...(rows.length === 0 && { note: 'nothing is outdated, as far as the last update tells' }),
      }
    },
  })
}

function answer(
  packages: readonly {
    readonly name: string
    readonly version: string
    readonly description: string
    readonly isRequested?: boolean
  }[],
): Answer {
  const rows = packages.map(({ name, version, description }) => [name, version, description])
  const records = packages.map(({ name, version, description, isRequested }) => ({
    name,
    version,
    description,
    ...(isRequested !== undefined && { isRequested }),
  }))
  return { text: table(rows), record: { packages: records } }
}
