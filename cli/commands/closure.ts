import { command, flag } from 'cmd-ts'
import { absolute } from '../../graph/store-path.ts'
import { headOf, objectClosure } from '../../store/object-closure.ts'
import { fileOption, jsonFlag, name } from '../args.ts'
import { type Context, requireHome } from '../context.ts'
import { bytes, table } from '../format.ts'
import { findObject, isStorePath, outputsOf } from '../objects.ts'
import { loadPackages, realizeCommand } from '../recipes.ts'
import type { Answer } from '../report.ts'

export function closure(context: Context) {
  return command({
    name: 'closure',
    description: 'list an object and all it refers to: what must be there for it to work',
    args: {
      name: name('a package that was realized, or an object in the store'),
      size: flag({ long: 'size', description: 'show the size of each object, largest first' }),
      json: jsonFlag,
      file: fileOption,
    },
    examples: [
      { description: 'what the system on the image consists of', command: 'mixos closure system' },
      { description: 'what takes the space', command: 'mixos closure toolchain --size' },
    ],
    handler: async ({ name, size, file }): Promise<Answer> => {
      const store = await requireHome(context)
      const outputsNamed = async () => {
        const drv = (await loadPackages(context, { file })).get(name)
        return Object.values(outputsOf(store, drv, realizeCommand([name], { file })))
      }
      const roots = isStorePath(name) ? [findObject(store, name)] : await outputsNamed()
      const paths = [...objectClosure(store, roots)].sort()
      if (!size) {
        const text = paths.map(path => store.hostPath(path)).join('\n')
        return { text, record: { paths: paths.map(path => absolute(path)) } }
      }
      const sizes = paths
        .map(path => [path, headOf(store, path).size] as const)
        .sort(([, a], [, b]) => b - a)
      const total = sizes.reduce((sum, [, size]) => sum + size, 0)
      const rows = sizes.map(([path, size]) => [bytes(size), store.hostPath(path)])
      return {
        text: table([...rows, [bytes(total), 'together']], [0]),
        record: {
          total,
          sizes: Object.fromEntries(sizes.map(([path, size]) => [absolute(path), size])),
        },
      }
    },
  })
}
