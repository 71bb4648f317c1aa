import { spawn } from 'node:child_process'
import { lstatSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { nodeHost } from '../../../store/hosts/node.ts'
import type { Machine } from '../../../store/target/machine.ts'
import { disable, enable, restart, services } from '../../../store/target/services.ts'
import { machineAt } from '../../helpers/target-machine.ts'
import { memoryDirectory } from '../../helpers/temp-store.ts'

const options = { signal: new AbortController().signal }

test('services are those of the profile and those that are enabled, with their states', t => {
  const { machine } = setUp(t, ['dhcp', 'ntpd', 'sshd', 'web'])
  mkdirSync(join(machine.root, 'etc/service'), { recursive: true })
  for (const name of ['dhcp', 'mine', 'ntpd', 'sshd']) {
    symlinkSync(`/anywhere/${name}`, join(machine.root, 'etc/service', name))
  }
  supervise(machine, 'dhcp', { pid: 70_000, wanted: 'u', state: 1 })
  supervise(machine, 'ntpd', { pid: 0, wanted: 'u', state: 0 })
  supervise(machine, 'sshd', { pid: 0, wanted: 'd', state: 0 })
  t.deepEqual(services(machine), [
    { name: 'dhcp', isEnabled: true, state: 'running', pid: 70_000 },
    { name: 'mine', isEnabled: true, state: 'unsupervised', pid: undefined },
    { name: 'ntpd', isEnabled: true, state: 'failing', pid: undefined },
    { name: 'sshd', isEnabled: true, state: 'stopped', pid: undefined },
    { name: 'web', isEnabled: false, state: 'stopped', pid: undefined },
  ])
})

test('a service that is enabled and whose package is not installed is missing, and can be disabled', async t => {
  const { machine, ran } = setUp(t, [])
  mkdirSync(join(machine.root, 'etc/service'), { recursive: true })
  const target = '/mix/profiles/system/current/etc/sv/web'
  symlinkSync(target, join(machine.root, 'etc/service/web'))
  t.deepEqual(services(machine), [
    { name: 'web', isEnabled: true, state: 'missing', pid: undefined },
  ])
  await disable(machine, 'web', options)
  t.deepEqual(services(machine), [])
  t.deepEqual(ran, [])
})

test('a machine without services has none, and a damaged status is no state', t => {
  const { machine } = setUp(t, [])
  t.deepEqual(services(machine), [])
  supervise(machine, 'web', { pid: 1, wanted: 'u', state: 1 })
  mkdirSync(join(machine.root, 'etc/service/web'), { recursive: true })
  writeFileSync(join(machine.root, 'run/service/web/supervise/status'), 'short')
  t.is(services(machine)[0]?.state, 'unsupervised')
})

test('enabling links a service and starts it; again, it changes nothing', async t => {
  const { machine, ran } = setUp(t, ['web'])
  const expected = { name: 'web', isEnabled: true, state: 'running', pid: 42 } as const
  t.deepEqual(await enable(machine, 'web', options), expected)
  t.is(
    readlinkSync(join(machine.root, 'etc/service/web')),
    '/mix/profiles/system/current/etc/sv/web',
  )
  t.deepEqual(ran, [
    '/etc/init.d/services web',
    `/bin/sv -w 10 start ${join(machine.root, 'run/service/web')}`,
  ])
  t.deepEqual(await enable(machine, 'web', options), expected)
})

test('a service that does not start is enabled and reported with what the tool said', async t => {
  const { machine } = setUp(t, ['web'], { sv: 'echo timeout: down: web; exit 1' })
  await t.throwsAsync(enable(machine, 'web', options), {
    code: 'SERVICE_FAILED',
    message: /web: .*sv -w 10 start .* ended with 1: timeout: down: web$/,
  })
  t.true(services(machine)[0]?.isEnabled)
})

test('disabling hides a service from the supervisor before it is shut down', async t => {
  const { machine, ran } = setUp(t, ['web'])
  await enable(machine, 'web', options)
  ran.length = 0
  const after = await disable(machine, 'web', options)
  t.deepEqual(after, { name: 'web', isEnabled: false, state: 'stopped', pid: undefined })
  t.is(ran.length, 1)
  t.regex(ran[0] ?? '', /sv -w 10 force-shutdown \S+\/run\/service\/\.web\.[0-9a-f]{8}$/)
  t.deepEqual(nodeHost.files.list(join(machine.root, 'run/service')), [])
  t.false(lstatSync(join(machine.root, 'etc/service/web'), { throwIfNoEntry: false }) !== undefined)
  await disable(machine, 'web', options)
  t.is(ran.length, 1)
})

test('only an enabled service is restarted', async t => {
  const { machine, ran } = setUp(t, ['web'])
  await t.throwsAsync(restart(machine, 'web', options), {
    code: 'SERVICE_FAILED',
    message: 'the service web is not enabled',
  })
  await enable(machine, 'web', options)
  t.is((await restart(machine, 'web', options)).state, 'running')
  t.regex(ran.at(-1) ?? '', /force-restart/)
})

test('an interruption ends the wait for a supervisor, with its own reason', async t => {
  const { machine } = setUp(t, ['web'], { isSupervising: false })
  const controller = new AbortController()
  const waiting = enable(machine, 'web', { signal: controller.signal })
  const reason = new Error('interrupted')
  setTimeout(() => controller.abort(reason), 50)
  t.is(await t.throwsAsync(waiting), reason)
})

test('a machine without the programs of MixOS is told so', async t => {
  const { machine } = setUp(t, ['web'])
  const { processes } = nodeHost
  const host = {
    ...machine.store.host,
    processes: { ...processes, spawn: () => processes.spawn('/nowhere/sv', [], {}) },
  }
  await t.throwsAsync(enable(machineAt(machine.root, host), 'web', options), {
    code: 'SERVICE_FAILED',
    message: 'cannot run /etc/init.d/services',
  })
})

for (const [name, hint] of [
  ['wbe', /^did you mean web\?$/],
  ['.web', /^did you mean web\?$/],
  ['-w', /^list them with: mix service list$/],
  ['../web', /^did you mean web\?$/],
  ['', /^list them with: mix service list$/],
] as const) {
  test(`${JSON.stringify(name)} is no service, and the nearest one is named`, async t => {
    const { machine, ran } = setUp(t, ['web'])
    for (const action of [enable, disable, restart]) {
      const error = await t.throwsAsync(action(machine, name, options), { code: 'NAME_UNKNOWN' })
      t.regex((error as Error & { hint: string }).hint, hint)
    }
    t.deepEqual(ran, [])
  })
}

/** A machine whose profile brings these services. Its programs note that they ran, and do what a supervisor would. */
function setUp(
  t: ExecutionContext,
  names: readonly string[],
  { sv = '', isSupervising = true } = {},
): { machine: Machine; ran: string[] } {
  const root = memoryDirectory(t)
  const ran: string[] = []
  const machine = machineAt(root, {
    ...nodeHost,
    processes: {
      ...nodeHost.processes,
      spawn: (command, args, spawnOptions) => {
        ran.push([command, ...args].join(' '))
        const name = args.at(-1) ?? ''
        if (command === '/etc/init.d/services') {
          if (isSupervising) supervise(machine, name, { pid: 42, wanted: 'u', state: 1 })
        } else if (args.includes('force-shutdown')) {
          supervise(machine, name.split('/').at(-1) ?? '', { pid: 0, wanted: 'd', state: 0 })
        }
        const isSv = command === '/bin/sv'
        return spawn('/bin/sh', ['-c', isSv ? sv : ''], spawnOptions)
      },
    },
  })
  for (const name of names) {
    mkdirSync(join(machine.store.layout.profiles, 'system/current/etc/sv', name), {
      recursive: true,
    })
  }
  return { machine, ran }
}

interface Status {
  readonly pid: number
  readonly wanted: 'u' | 'd'
  readonly state: 0 | 1
}

/** The files of runsv, as it leaves them. */
function supervise({ root }: Machine, name: string, { pid, wanted, state }: Status): void {
  const directory = join(root, 'run/service', name, 'supervise')
  mkdirSync(directory, { recursive: true })
  const status = Buffer.alloc(20)
  status.writeUInt32LE(pid, 12)
  status[17] = wanted.charCodeAt(0)
  status[19] = state
  writeFileSync(join(directory, 'status'), status)
  writeFileSync(join(directory, 'ok'), '')
}
