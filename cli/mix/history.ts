import { command } from 'cmd-ts'
import { history as historyOf } from '../../store/target/history.ts'
import type { PackageChanges } from '../../store/target/package-changes.ts'
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
      const steps = historyOf(openMachine(context).store)
      const text = steps.map(({ generation, made, changes }) => {
        const when = made === undefined ? '' : ` ${moment(made.at)}`
        const how = made?.command.length ? `: mix ${made.command.join(' ')}` : ''
        const lines = changes ? linesOf(changes) : ['  (what it changed is not known any more)']
        return [`${generation}${when} ${made?.user ?? 'the image'}${how}`, ...lines].join('\n')
      })
      const records = steps.map(({ made, ...step }) => ({ ...step, ...made }))
      return { text: text.join('\n'), record: { history: records } }
    },
  })
}

function linesOf({ added, removed, replaced }: PackageChanges): string[] {
  return [
    ...added.map(({ name, version }) => `  + ${name} ${version}`),
    ...removed.map(({ name, version }) => `  - ${name} ${version}`),
    ...replaced.map(({ name, from, to }) => `    ${name} ${from} -> ${to}`),
  ]
}
