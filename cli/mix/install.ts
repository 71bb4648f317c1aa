import { resolve } from 'node:path'
import { command, restPositionals } from 'cmd-ts'
import { MixosError } from '../../graph/error.ts'
import { parseRequirement } from '../../graph/version-range.ts'
import { type Candidate, candidateOf } from '../../store/target/change.ts'
import { openMixpkg } from '../../store/target/mixpkg.ts'
import { PackageName } from '../args.ts'
import { change, changeFlags } from './changing.ts'
import type { MixContext } from './context.ts'
import { openMachine } from './machine.ts'

export function install(context: MixContext) {
  return command({
    name: 'install',
    description: 'install packages, with all that they need',
    args: {
      ...changeFlags,
      wanted: restPositionals({
        displayName: 'name',
        type: PackageName,
        description:
          'packages, perhaps with versions, as in nginx~1.26, or files, as in ./x.mixpkg',
      }),
    },
    examples: [
      { description: 'a server to log in to', command: 'mix install openssh' },
      { description: 'a file from anywhere', command: 'mix install ./hello.mixpkg' },
      { description: 'what would be installed', command: "mix install --dry-run 'nginx>=1.26'" },
    ],
    handler: async ({ wanted, ...flags }) => {
      if (wanted.length === 0) {
        throw new MixosError('BAD_ARGUMENT', 'name at least one package', {
          hint: 'try: mix search',
        })
      }
      const isFile = (text: string): boolean => text.endsWith('.mixpkg')
      const named = wanted.filter(text => !isFile(text)).map(parseRequirement)
      const want = async () => {
        const local = await fromFiles(context, wanted.filter(isFile))
        const those = local.map(({ name, version }) => parseRequirement(`${name}=${version}`))
        return { wish: { install: [...named, ...those] }, local }
      }
      return change(context, want, flags)
    },
  })
}

/** Puts the packages of files into the store, where nothing else sees them yet. */
async function fromFiles(context: MixContext, paths: readonly string[]): Promise<Candidate[]> {
  const { store } = openMachine(context)
  const found: Candidate[] = []
  for (const path of paths) {
    const mixpkg = await openMixpkg(store, resolve(context.directory, path), context)
    try {
      found.push(candidateOf({ ...mixpkg.metadata, path: await mixpkg.add() }))
    } finally {
      mixpkg.discard()
    }
  }
  return found
}
