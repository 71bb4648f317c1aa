import { command, flag } from 'cmd-ts'
import { absolute } from '../../graph/store-path.ts'
import { collect, garbageOf } from '../../store/collect.ts'
import { generationLink } from '../../store/target/generations.ts'
import { forgetGenerations, noteForgotten, oldGenerations } from '../../store/target/transition.ts'
import { countType, jsonFlag, optional } from '../args.ts'
import { bytes, plural } from '../format.ts'
import type { Answer } from '../report.ts'
import { waitingForOthers } from '../waiting.ts'
import type { MixContext } from './context.ts'
import { openMachine } from './machine.ts'

export function gc(context: MixContext) {
  return command({
    name: 'gc',
    description: 'delete every object that no generation needs',
    args: {
      keep: optional({
        long: 'keep',
        type: countType('count'),
        description:
          'also forget all generations but the newest ones, the current one and the last that started well',
      }),
      dryRun: flag({ long: 'dry-run', description: 'print what would go, and delete nothing' }),
      json: jsonFlag,
    },
    examples: [{ description: 'the newest three generations stay', command: 'mix gc --keep 3' }],
    handler: async ({ keep, dryRun }): Promise<Answer> => {
      const machine = openMachine(context)
      const { store } = machine
      const old = keep === undefined ? [] : oldGenerations(machine, keep)
      const forgotten = new Set(old.map(number => generationLink(store, number)))
      if (keep !== undefined && !dryRun) await forgetGenerations(machine, keep, context)
      const options = { signal: context.signal, onWait: waitingForOthers(context) }
      const garbage = dryRun ? garbageOf(store, forgotten) : await collect(store, options)
      // After that, since it takes space; also where nothing was forgotten, since one that was cut off has not come to it.
      if (keep !== undefined && !dryRun) await noteForgotten(machine, context)
      const sum = `${plural(garbage.objects.length, 'object')} of ${bytes(garbage.bytes)}`
      const also = old.length > 0 ? `${plural(old.length, 'generation')} and ` : ''
      return {
        text: `${dryRun ? 'would delete' : 'deleted'} ${also}${sum}`,
        record: {
          ...garbage,
          objects: garbage.objects.map(path => absolute(path)),
          generations: old,
        },
      }
    },
  })
}
