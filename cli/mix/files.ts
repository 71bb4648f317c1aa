import { command, positional } from 'cmd-ts'
import { absolute } from '../../graph/store-path.ts'
import { recordOf } from '../../store/object-closure.ts'
import { jsonFlag, PackageName } from '../args.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { installedNamed } from './installed-named.ts'
import { installedNow, openMachine } from './machine.ts'

export function files(context: MixContext) {
  return command({
    name: 'files',
    description: 'list the files of an installed package',
    args: {
      name: positional({ displayName: 'name', type: PackageName, description: 'the package' }),
      json: jsonFlag,
    },
    examples: [{ description: 'what is in busybox?', command: 'mix files busybox' }],
    handler: async ({ name }): Promise<Answer> => {
      const machine = openMachine(context)
      const found = await installedNamed(context, name, installedNow(machine))
      const entries = recordOf(machine.store, found.path).manifest.entries
      const paths = entries
        .filter(({ type }) => type !== 'directory')
        .map(({ path }) => `${absolute(found.path)}/${path}`)
      return { text: paths.join('\n'), record: { package: name, files: paths } }
    },
  })
}
