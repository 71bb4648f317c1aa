import { command, restPositionals } from 'cmd-ts'
import { PackageName } from '../args.ts'
import { change, changeFlags } from './changing.ts'
import type { MixContext } from './context.ts'
import { installedNamed } from './installed-named.ts'
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
      const installed = installedNow(openMachine(context))
      for (const name of names) await installedNamed(context, name, installed)
      const wish = { upgrade: names.length > 0 ? names : ('all' as const) }
      return change(context, async () => ({ wish }), flags)
    },
  })
}
