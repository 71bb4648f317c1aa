import { command, restPositionals } from 'cmd-ts'
import { unknownPackage } from '../../store/target/change.ts'
import { PackageName } from '../args.ts'
import { change, changeFlags } from './changing.ts'
import type { MixContext } from './context.ts'
import { installedNow, openMachine } from './machine.ts'

export function upgrade(context: MixContext) {
  return command({
    name: 'upgrade',
    description: 'replace installed packages by the newest that repositories offer',
    args: {
      ...changeFlags,
      names: restPositionals({
        displayName: 'name',
        type: PackageName,
        description: 'the packages (default: all)',
      }),
    },
    examples: [
      { description: 'everything', command: 'mix upgrade' },
      { description: 'one package, and what it then needs', command: 'mix upgrade nginx' },
    ],
    handler: async ({ names, ...flags }) => {
      const installed = installedNow(openMachine(context)).map(one => one.name)
      const unknown = names.find(name => !installed.includes(name))
      if (unknown !== undefined) throw unknownPackage(unknown, installed)
      const wish = { upgrade: names.length > 0 ? names : ('all' as const) }
      return change(context, async () => ({ wish }), flags)
    },
  })
}
