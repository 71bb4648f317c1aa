import { command } from 'cmd-ts'
import { absolute } from '../../graph/store-path.ts'
import { listRoots } from '../../store/roots.ts'
import { jsonFlag } from '../args.ts'
import { type Context, requireHome } from '../context.ts'
import type { Answer } from '../report.ts'

export function roots(context: Context) {
  return command({
    name: 'roots',
    description: 'list the links that keep objects from being collected',
    args: { json: jsonFlag },
    examples: [
      { description: 'what is kept', command: 'mixos roots' },
      { description: 'let go of one', command: 'rm artifacts/iso && mixos gc' },
    ],
    handler: async (): Promise<Answer> => {
      const store = await requireHome(context)
      const roots = listRoots(store)
      return {
        text: roots.map(({ link, path }) => `${link} -> ${store.hostPath(path)}`).join('\n'),
        ...(roots.length === 0 && { note: 'no link keeps an object' }),
        record: {
          roots: Object.fromEntries(roots.map(({ link, path }) => [link, absolute(path)])),
        },
      }
    },
  })
}
