import { command } from 'cmd-ts'
import { labelOf } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { logPath } from '../../store/realize/logs.ts'
import { fileOption, jsonFlag, name } from '../args.ts'
import { type Context, requireHome } from '../context.ts'
import { loadPackages, realizeCommand } from '../recipes.ts'
import type { Answer } from '../report.ts'
import { printable } from '../terminal.ts'

export function log(context: Context) {
  return command({
    name: 'log',
    description: 'print what the last build of a package printed',
    args: { name: name('the package'), json: jsonFlag, file: fileOption },
    examples: [{ description: "the kernel's build", command: 'mixos log kernel | less' }],
    handler: async ({ name, file }): Promise<Answer> => {
      const drv = (await loadPackages(context, { file })).get(name)
      const store = await requireHome(context)
      const hash = hashDerivation(drv)
      const path = logPath(store, hash)
      const text = store.host.files.read(path)?.toString('utf8')
      if (text !== undefined)
        return { text: printable(text).replace(/\n$/, ''), record: { path, text } }
      const command = realizeCommand([name], { file })
      const [why, hint] = store.trace(hash)
        ? [
            'it came from a cache, or from an earlier build of the same inputs',
            `build it once more with: ${command} --check`,
          ]
        : ['it was not built here', `build it with: ${command}`]
      throw new MixosError('OBJECT_UNKNOWN', `there is no log of ${labelOf(drv)}: ${why}`, { hint })
    },
  })
}
