import { join, resolve } from 'node:path'
import { command, positional } from 'cmd-ts'
import { MixosError } from '../../graph/error.ts'
import { parseStorePath } from '../../graph/store-path.ts'
import { jsonFlag, Path } from '../args.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { installedNow, openMachine } from './machine.ts'

export function owner(context: MixContext) {
  return command({
    name: 'owner',
    description: 'show which installed package a file belongs to',
    args: {
      file: positional({ displayName: 'file', type: Path, description: 'its path' }),
      json: jsonFlag,
    },
    examples: [{ description: 'where does ls come from?', command: 'mix owner /bin/ls' }],
    handler: async ({ file }): Promise<Answer> => {
      const machine = openMachine(context)
      const installed = installedNow(machine)
      const at = resolve(context.directory, file)
      const config = installed.find(one =>
        one.config.some(path => at === join(machine.root, 'etc', path)),
      )
      const real = context.host.files.realPath(at)
      const object = real?.startsWith(`${machine.store.layout.objects}/`)
        ? parseStorePath(real.slice(machine.store.layout.objects.length + 1).split('/')[0] ?? '')
        : undefined
      const found = config ?? installed.find(({ path }) => path === object)
      if (found) {
        const { name, version } = found
        return { text: `${name} ${version}`, record: { file: at, package: name, version } }
      }
      const what =
        real === undefined ? `there is no ${at}` : `${at} belongs to no installed package`
      throw new MixosError('PACKAGE_UNKNOWN', object ? `${what}; it is in ${object}` : what)
    },
  })
}
