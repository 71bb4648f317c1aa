import { command } from 'cmd-ts'
import { generations } from '../../store/target/generations.ts'
import { installedIn } from '../../store/target/installed.ts'
import { jsonFlag } from '../args.ts'
import { moment } from '../format.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { openMachine } from './machine.ts'

export function history(context: MixContext) {
  return command({
    name: 'history',
    description: 'show who changed what and when, oldest first',
    args: { json: jsonFlag },
    examples: [{ description: 'what happened here?', command: 'mix history' }],
    handler: async (): Promise<Answer> => {
      const { store } = openMachine(context)
      const all = generations(store)
      const versions = all.map(
        ({ path }) => new Map(installedIn(store, path).map(({ name, version }) => [name, version])),
      )
      const records = all.map(({ number, made }, index) => ({
        generation: number,
        ...made,
        changes: differences(versions[index - 1] ?? new Map(), versions[index] ?? new Map()),
      }))
      const text = records.map(({ generation, at, user, command, changes }) => {
        const when = at === undefined ? '' : ` ${moment(at)}`
        const who = user === undefined ? ' the image' : ` ${user}: mix ${command?.join(' ')}`
        return [`${generation}${when}${who}`, ...changes.map(change => `  ${change}`)].join('\n')
      })
      return { text: text.join('\n'), record: { history: records } }
    },
  })
}

function differences(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  return names.flatMap(name => {
    const [from, to] = [before.get(name), after.get(name)]
    if (from === to) return []
    if (from === undefined) return [`+ ${name} ${to}`]
    return [to === undefined ? `- ${name} ${from}` : `  ${name} ${from} -> ${to}`]
  })
}
