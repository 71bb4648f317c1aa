import { spawn } from 'node:child_process'
import { mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { nodeHost } from '../../../store/hosts/node.ts'
import { currentGeneration } from '../../../store/target/generations.ts'
import { type InstalledPackage, installedIn } from '../../../store/target/installed.ts'
import type { Machine } from '../../../store/target/machine.ts'
import { followServices } from '../../../store/target/service-changes.ts'
import { services } from '../../../store/target/services.ts'
import { rollBack, transition } from '../../../store/target/transition.ts'
import { addPackage } from '../../helpers/package.ts'
import { machineAt, newMachine, profileOf, watching } from '../../helpers/target-machine.ts'

const made = { at: 1, user: 'root', command: [] }
const run = { executable: '#!/bin/sh\nexec sleep 1\n' }
const link = '/mix/profiles/system/current/etc/sv/web'

test('a service whose package goes is stopped and stays enabled, so that it starts when the package is back', async t => {
  const quiet = await newMachine(t, async store => [
    await addPackage(store, 'clock', { tree: { 'etc/sv/clock/run': run }, services: ['clock'] }),
    await addPackage(store, 'web', { tree: { 'etc/sv/web/run': run }, services: ['web'] }),
  ])
  const { machine, ran } = supervised(quiet)
  for (const name of ['clock', 'web']) {
    mkdirSync(join(machine.root, 'etc/service'), { recursive: true })
    symlinkSync(link.replace(/web$/, name), join(machine.root, 'etc/service', name))
    startIn(machine, name)
  }
  const before = packagesOf(machine)
  const rest = before.flatMap(({ name, path }) => (name === 'clock' ? [path] : []))
  await transition(machine, await profileOf(machine.store, rest), { ...watching(), made })
  const after = packagesOf(machine)
  await followServices(machine, { before, after, ...watching() })
  t.is(ran.length, 1)
  t.regex(ran[0] ?? '', /sv -w 10 force-shutdown \S+\/run\/service\/\.web\.[0-9a-f]{8}$/)
  t.is(readlinkSync(join(machine.root, 'etc/service/web')), link)
  t.deepEqual(
    services(machine).map(({ name, state }) => [name, state]),
    [
      ['clock', 'running'],
      ['web', 'missing'],
    ],
  )

  ran.length = 0
  await rollBack(machine, undefined, watching())
  await followServices(machine, { before: after, after: packagesOf(machine), ...watching() })
  t.is(ran[0], '/etc/init.d/services web')
  t.deepEqual(
    services(machine).map(({ name, state }) => [name, state]),
    [
      ['clock', 'running'],
      ['web', 'running'],
    ],
  )
})

const packagesOf = ({ store }: Machine): InstalledPackage[] =>
  installedIn(store, currentGeneration(store).path)

/** The same machine with programs that note that they ran, and do what a supervisor would. */
function supervised({ root }: Machine): { machine: Machine; ran: string[] } {
  const ran: string[] = []
  const machine = machineAt(root, {
    ...nodeHost,
    processes: {
      ...nodeHost.processes,
      spawn: (command, args, options) => {
        ran.push([command, ...args].join(' '))
        const [directory = ''] = args.slice(-1)
        if (command === '/etc/init.d/services') startIn(machine, directory)
        else if (args.includes('force-shutdown')) writeStatus(directory, 0)
        return spawn('/bin/true', options)
      },
    },
  })
  return { machine, ran }
}

const startIn = ({ root }: Machine, name: string): void =>
  writeStatus(join(root, 'run/service', name), 42)

/** The files of runsv; it is down where the number of its process is 0. */
function writeStatus(directory: string, pid: number): void {
  mkdirSync(join(directory, 'supervise'), { recursive: true })
  const status = Buffer.alloc(20)
  status.writeUInt32LE(pid, 12)
  status[17] = (pid === 0 ? 'd' : 'u').charCodeAt(0)
  status[19] = pid === 0 ? 0 : 1
  writeFileSync(join(directory, 'supervise/status'), status)
  writeFileSync(join(directory, 'supervise/ok'), '')
}
