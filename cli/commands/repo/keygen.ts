import { command } from 'cmd-ts'
import { jsonFlag, pathOption } from '../../args.ts'
import type { Context } from '../../context.ts'
import type { Answer } from '../../report.ts'
import { repositoryKeysDirectory } from '../../repository-keys.ts'

export function keygen(context: Context) {
  return command({
    name: 'keygen',
    description: 'make the keys of a repository: root, targets, snapshot and timestamp',
    args: {
      out: pathOption('out', 'write them into this directory (default: among the settings)'),
      json: jsonFlag,
    },
    examples: [
      { description: 'keys of your own', command: 'mixos repo keygen' },
      {
        description: 'on a medium that is put away',
        command: 'mixos repo keygen --out /media/keys',
      },
    ],
    handler: async ({ out }): Promise<Answer> => {
      const [{ nodeHost }, { generateRepositoryKeys, keyFile }] = await Promise.all([
        import('../../../store/hosts/node.ts'),
        import('../../../store/repository/keys.ts'),
      ])
      const directory = repositoryKeysDirectory(context, out)
      const ids = await generateRepositoryKeys(nodeHost, directory)
      context.report({
        type: 'warning',
        message: `the secret keys are in ${directory}: whoever has them decides what systems install`,
        hint: `keep ${keyFile(directory, 'root')} elsewhere: it is needed once a year, and to replace the others`,
      })
      const text = Object.entries(ids).map(([role, id]) => `${role.padEnd(9)}  ${id}`)
      return { text: text.join('\n'), record: { directory, keys: ids } }
    },
  })
}
