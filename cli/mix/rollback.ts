import { command, optional, positional } from 'cmd-ts'
import { currentNumber, targetOf } from '../../store/target/generations.ts'
import { followServices } from '../../store/target/service-changes.ts'
import { rollBack } from '../../store/target/transition.ts'
import { usingStore } from '../../store/using-store.ts'
import { countType, jsonFlag } from '../args.ts'
import { plural } from '../format.ts'
import type { MixContext } from './context.ts'
import { madeBy, openMachine, readablePackages, systemNow } from './machine.ts'

export function rollback(context: MixContext) {
  return command({
    name: 'rollback',
    description: 'make an earlier state of the system current again, at once',
    args: {
      number: positional({
        displayName: 'generation',
        type: optional(countType('number')),
        description: 'its number (default: the one that the current one was made from)',
      }),
      json: jsonFlag,
    },
    examples: [
      { description: 'undo the last change', command: 'mix rollback' },
      { description: 'as the image was', command: 'mix rollback 1' },
    ],
    handler: async ({ number }) => {
      const machine = openMachine(context)
      const current = currentNumber(machine.store)
      const path = current === undefined ? undefined : targetOf(machine.store, current)
      const before = readablePackages(machine, path) ?? []
      const found = await usingStore(machine.store, context, () =>
        rollBack(machine, number, { ...context, made: madeBy(context) }),
      )
      const packages = systemNow(machine)
      await followServices(machine, { ...context, before, after: packages })
      return {
        text: `generation ${found.number} is current: ${plural(packages.length, 'package')}`,
        record: {
          generation: found.number,
          packages: packages.map(({ name, version }) => ({ name, version })),
        },
      }
    },
  })
}
