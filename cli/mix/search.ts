import { command, positional, string } from 'cmd-ts'
import { newestOf } from '../../store/target/newest.ts'
import { jsonFlag } from '../args.ts'
import { table } from '../format.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { installedNow, openMachine } from './machine.ts'
import { noteOn, offeredBy } from './offered.ts'

export function search(context: MixContext) {
  return command({
    name: 'search',
    description: 'find packages whose name or description holds a text',
    args: {
      text: positional({ displayName: 'text', type: string, description: 'in any case' }),
      json: jsonFlag,
    },
    examples: [{ description: 'is there a web server?', command: 'mix search web' }],
    handler: async ({ text }): Promise<Answer> => {
      const installed = new Map(installedNow(openMachine(context)).map(one => [one.name, one]))
      const wanted = text.toLowerCase()
      const has = (field: string): boolean => field.toLowerCase().includes(wanted)
      const offered = await offeredBy(context)
      const found = [...newestOf(offered).values()]
        .filter(({ name, description }) => has(name) || has(description))
        .map(({ name, version, description }) => ({
          name,
          version,
          description,
          isInstalled: installed.has(name),
        }))
      const rows = found.map(({ name, version, description, isInstalled }) => [
        name,
        version,
        isInstalled ? 'installed' : '',
        description,
      ])
      return {
        text: rows.length > 0 ? table(rows) : `nothing holds "${text}"`,
        record: { packages: found },
        ...noteOn(offered),
        isFailure: rows.length === 0,
      }
    },
  })
}
