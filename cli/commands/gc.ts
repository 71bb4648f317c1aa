import { command, flag } from 'cmd-ts'
import { absolute } from '../../graph/store-path.ts'
import { collect, garbageOf } from '../../store/collect.ts'
import { jsonFlag } from '../args.ts'
import { type Context, requireHome } from '../context.ts'
import { bytes, plural } from '../format.ts'
import type { Answer } from '../report.ts'
import { waitingForOthers } from '../waiting.ts'

export function gc(context: Context) {
  return command({
    name: 'gc',
    description: 'delete every object that no root needs, and what a crash left behind',
    args: {
      dryRun: flag({ long: 'dry-run', description: 'print what would go, and delete nothing' }),
      json: jsonFlag,
    },
    examples: [
      { description: 'what would go', command: 'mixos gc --dry-run' },
      {
        description: 'keep one package, delete the rest',
        command: 'mixos realize toolchain && mixos gc',
      },
    ],
    handler: async ({ dryRun }): Promise<Answer> => {
      const store = await requireHome(context)
      const options = { signal: context.signal, onWait: waitingForOthers(context) }
      const garbage = dryRun ? garbageOf(store) : await collect(store, options)
      const { objects, leftovers } = garbage
      const listed = dryRun ? [...objects.map(path => store.hostPath(path)), ...leftovers] : []
      const sum = `${plural(objects.length, 'object')} of ${bytes(garbage.bytes)} and ${plural(leftovers.length, 'leftover')}`
      return {
        text: [...listed, `${dryRun ? 'would delete' : 'deleted'} ${sum}`].join('\n'),
        record: { ...garbage, objects: objects.map(path => absolute(path)) },
      }
    },
  })
}
