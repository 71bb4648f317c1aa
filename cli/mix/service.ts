import { command, restPositionals, subcommands } from 'cmd-ts'
import type { Machine } from '../../store/target/etc-files.ts'
import {
  disable,
  enable,
  restart,
  type Service,
  type ServiceOptions,
  services,
} from '../../store/target/services.ts'
import { badArgument, jsonFlag, PackageName } from '../args.ts'
import { table } from '../format.ts'
import type { Answer } from '../report.ts'

/** What these commands get from outside. */
export interface ServiceContext {
  readonly machine: Machine
  readonly signal: AbortSignal
}

export function service(context: ServiceContext) {
  return subcommands({
    name: 'service',
    description: 'list services, start them with the machine or not, restart them',
    cmds: {
      list: list(context),
      enable: change(context, {
        name: 'enable',
        description: 'start a service, now and whenever the machine starts',
        action: enable,
      }),
      disable: change(context, {
        name: 'disable',
        description: 'stop a service, and do not start it with the machine',
        action: disable,
      }),
      restart: change(context, {
        name: 'restart',
        description: 'end a service and start it again',
        action: restart,
      }),
    },
    examples: [
      { description: 'what runs, and what could', command: 'mix service list' },
      { description: 'let people log in over SSH', command: 'mix service enable sshd' },
    ],
  })
}

function list({ machine }: ServiceContext) {
  return command({
    name: 'list',
    description: 'list the services of what is installed, and how each of them is',
    args: { json: jsonFlag },
    handler: async (): Promise<Answer> => answerOf(services(machine)),
  })
}

type Action = (machine: Machine, name: string, options: ServiceOptions) => Promise<Service>

function change(
  { machine, signal }: ServiceContext,
  { name, description, action }: { name: string; description: string; action: Action },
) {
  return command({
    name,
    description,
    args: {
      names: restPositionals({
        type: PackageName,
        displayName: 'service',
        description: 'see: mix service list',
      }),
      json: jsonFlag,
    },
    handler: async ({ names }): Promise<Answer> => {
      if (names.length === 0) {
        throw badArgument('no service is named', 'list them with: mix service list')
      }
      const changed: Service[] = []
      for (const each of names) changed.push(await action(machine, each, { signal }))
      return answerOf(changed)
    },
  })
}

function answerOf(found: readonly Service[]): Answer {
  const rows = found.map(({ name, isEnabled, state, pid }) => [
    name,
    isEnabled ? 'enabled' : 'disabled',
    pid === undefined ? state : `${state}, process ${pid}`,
  ])
  const records = found.map(({ name, ...rest }) => [name, rest])
  return { text: table(rows), record: { services: Object.fromEntries(records) } }
}
