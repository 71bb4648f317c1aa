import { command, flag, restPositionals } from 'cmd-ts'
import { badArgument, PackageName } from '../args.ts'
import { change, changeFlags } from './changing.ts'
import type { MixContext } from './context.ts'

export function remove(context: MixContext) {
  return command({
    name: 'remove',
    description: 'remove packages, and what was there only for them',
    args: {
      ...changeFlags,
      cascade: flag({ long: 'cascade', description: 'remove what depends on them too' }),
      names: restPositionals({
        displayName: 'name',
        type: PackageName,
        description: 'the packages',
      }),
    },
    examples: [{ description: 'no web server any more', command: 'mix remove nginx' }],
    handler: async ({ names, cascade, ...flags }) => {
      if (names.length === 0) {
        throw badArgument('nothing to remove', 'list what is installed with: mix list')
      }
      return change(context, async () => ({ wish: { remove: names, cascade } }), flags)
    },
  })
}
