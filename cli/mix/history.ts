import { command } from 'cmd-ts'
import { generations, type Made } from '../../store/target/generations.ts'
import { rollbacks } from '../../store/target/rollbacks.ts'
import { jsonFlag } from '../args.ts'
import { moment } from '../format.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { openMachine, readablePackages } from './machine.ts'

/** What became current, and from what. */
interface Step {
  readonly generation: number
  readonly from: number | undefined
  readonly made: Made | undefined
}

export function history(context: MixContext) {
  return command({
    name: 'history',
    description: 'show who changed what and when, oldest first',
    args: { json: jsonFlag },
    examples: [{ description: 'what happened here?', command: 'mix history' }],
    handler: async (): Promise<Answer> => {
      const machine = openMachine(context)
      const all = generations(machine.store)
      const versions = new Map(
        all.map(({ number, path }) => [number, versionsIn(readablePackages(machine, path))]),
      )
      const of = (number: number | undefined): Versions | undefined =>
        number === undefined ? new Map() : versions.get(number)
      const steps = stepsOf(all, rollbacks(machine.store))
      const records = steps.map(({ generation, from, made }) => ({
        generation,
        from,
        ...made,
        changes: differences(of(from), of(generation)),
      }))
      const text = records.map(({ generation, at, user, command, changes }) => {
        const when = at === undefined ? '' : ` ${moment(at)}`
        const how = command?.length ? `: mix ${command.join(' ')}` : ''
        const known = changes ?? ['(what it changed is not known any more)']
        const lines = known.map(change => `  ${change}`)
        return [`${generation}${when} ${user ?? 'the image'}${how}`, ...lines].join('\n')
      })
      return { text: text.join('\n'), record: { history: records } }
    },
  })
}

/** In their order: a rollback comes after the newest generation that there was. */
function stepsOf(
  all: ReturnType<typeof generations>,
  back: ReturnType<typeof rollbacks>,
): readonly Step[] {
  const steps = [
    ...all.map(({ number, made }) => {
      return { after: number, step: { generation: number, from: made?.from, made } }
    }),
    ...back.map(({ newest, from, to, ...made }) => {
      return { after: newest, step: { generation: to, from, made } }
    }),
  ]
  return steps.sort((a, b) => a.after - b.after).map(({ step }) => step)
}

type Versions = ReadonlyMap<string, string>

function versionsIn(packages: ReturnType<typeof readablePackages>): Versions | undefined {
  return packages && new Map(packages.map(({ name, version }) => [name, version]))
}

/** Undefined where one of the two is not known. */
function differences(
  before: Versions | undefined,
  after: Versions | undefined,
): string[] | undefined {
  if (!before || !after) return undefined
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  return names.flatMap(name => {
    const [from, to] = [before.get(name), after.get(name)]
    if (from === to) return []
    if (from === undefined) return [`+ ${name} ${to}`]
    return [to === undefined ? `- ${name} ${from}` : `  ${name} ${from} -> ${to}`]
  })
}
