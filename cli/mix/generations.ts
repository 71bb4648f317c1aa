import { command } from 'cmd-ts'
import { absolute } from '../../graph/store-path.ts'
import { generations as all, currentNumber } from '../../store/target/generations.ts'
import { jsonFlag } from '../args.ts'
import { moment, plural, table } from '../format.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { openMachine, readablePackages } from './machine.ts'

export function generations(context: MixContext) {
  return command({
    name: 'generations',
    description: 'list the states of the system that can be returned to, oldest first',
    args: { json: jsonFlag },
    examples: [{ description: 'where can I go back to?', command: 'mix generations' }],
    handler: async (): Promise<Answer> => {
      const machine = openMachine(context)
      const current = currentNumber(machine.store)
      const found = all(machine.store).map(({ number, path, made }) => ({
        number,
        isCurrent: number === current,
        path,
        packages: readablePackages(machine, path)?.length,
        ...made,
      }))
      const records = found.map(one => ({ ...one, path: one.path && absolute(one.path) }))
      const rows = found.map(({ number, isCurrent, packages, at, command }) => [
        `${number}`,
        isCurrent ? 'current' : '',
        packages === undefined ? 'damaged' : plural(packages, 'package'),
        at === undefined ? 'the image' : moment(at),
        command ? `mix ${command.join(' ')}` : '',
      ])
      return { text: table(rows, [0]), record: { generations: records } }
    },
  })
}
