import { command, restPositionals } from 'cmd-ts'
import { MixosError } from '../../graph/error.ts'
import { parseRequirement } from '../../graph/version-range.ts'
import { PackageName } from '../args.ts'
import { change, changeFlags } from './changing.ts'
import type { MixContext } from './context.ts'

export function install(context: MixContext) {
  return command({
    name: 'install',
    description: 'install packages, with all that they need',
    args: {
      ...changeFlags,
      wanted: restPositionals({
        displayName: 'name',
        type: PackageName,
        description: 'packages, perhaps with versions, as in openssl>=3.0 or nginx~1.26',
      }),
    },
    examples: [
      { description: 'a server to log in to', command: 'mix install openssh' },
      { description: 'what would be installed', command: "mix install --dry-run 'nginx>=1.26'" },
    ],
    handler: async ({ wanted, ...flags }) => {
      if (wanted.length === 0) {
        throw new MixosError('BAD_ARGUMENT', 'name at least one package', {
          hint: 'try: mix search',
        })
      }
      return change(context, { install: wanted.map(parseRequirement) }, flags)
    },
  })
}
