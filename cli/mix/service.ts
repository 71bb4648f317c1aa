import { command, restPositionals } from 'cmd-ts'
import type { Machine } from '../../store/target/machine.ts'
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
import { group } from '../group.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { openMachine } from './machine.ts'

export function service(context: MixContext) {
  return group({
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

function list(context: MixContext) {
  return command({
    name: 'list',
    description: 'list the services of what is installed, and how each of them is',
    args: { json: jsonFlag },
    examples: [{ description: 'what runs, and what could', command: 'mix service list' }],
    handler: async (): Promise<Answer> => answerOf(services(openMachine(context))),
  })
}

type Action = (machine: Machine, name: string, options: ServiceOptions) => Promise<Service>

function change(
  context: MixContext,
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
    examples: [{ description: 'the SSH server', command: `mix service ${name} sshd` }],
    handler: async ({ names }): Promise<Answer> => {
      if (names.length === 0) {
        throw badArgument('no service is named', 'list them with: mix service list')
      }
      const { signal } = context
      const machine = openMachine(context)
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
  return {
    text: table(rows),
    record: { services: Object.fromEntries(records) },
    ...(found.length === 0 && { note: 'no package that is installed has a service' }),
  }
}
