import { command } from 'cmd-ts'
import { currentNumber } from '../../store/target/generations.ts'
import { recover as recoverMachine } from '../../store/target/transition.ts'
import { usingStore } from '../../store/using-store.ts'
import { jsonFlag } from '../args.ts'
import type { MixContext } from './context.ts'
import { openMachine } from './machine.ts'

export function recover(context: MixContext) {
  return command({
    name: 'recover',
    description: 'complete or undo a change that was interrupted; the start of the machine does it',
    args: { json: jsonFlag },
    examples: [{ description: 'after a crash, without a restart', command: 'mix recover' }],
    handler: async () => {
      const machine = openMachine(context)
      await usingStore(machine.store, context, () => recoverMachine(machine, context))
      const number = currentNumber(machine.store)
      return {
        text: `${number === undefined ? 'no generation' : `generation ${number}`} is current`,
        record: { generation: number },
      }
    },
  })
}
