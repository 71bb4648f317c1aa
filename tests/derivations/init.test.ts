import test from 'ava'
import { live } from '../../configs/systems/live.ts'
import { init, serviceNames } from '../../derivations/packages/init.ts'

test('each console of the system has a login, and no other terminal has', t => {
  const inittab = filesOf({ ...live(), consoles: ['tty1', 'ttyS1'] })['etc/inittab'] as string
  t.deepEqual(
    inittab.split('\n').filter(line => line.includes('/console ')),
    [
      'tty1::respawn:/etc/init.d/console tty1 linux',
      'ttyS1::respawn:/etc/init.d/console ttyS1 vt102',
    ],
  )
})

test('what init runs are executable scripts', t => {
  const files = filesOf(live())
  for (const name of ['start', 'stop', 'console', 'services', 'log']) {
    const file = files[`etc/init.d/${name}`] as { executable: string }
    t.true(file.executable.startsWith('#!/bin/sh\n'), name)
  }
})

test('logins come before the supervisor of services, so that it delays none', t => {
  const lines = (filesOf(live())['etc/inittab'] as string).split('\n')
  const supervisor = lines.findIndex(line => line.endsWith('/etc/init.d/services'))
  t.true(supervisor > lines.findLastIndex(line => line.includes('/console ')))
})

test('each service of the system is a directory with an executable run', t => {
  const files = filesOf({ ...live(), services: { 'web.sh': '#!/bin/sh\nexec web\n' } })
  t.deepEqual(files['etc/sv/web/run'], { executable: '#!/bin/sh\nexec web\n' })
  t.deepEqual(serviceNames(live().services), ['dhcp', 'ntpd', 'syslogd'])
  for (const script of Object.values(live().services)) {
    t.regex(script, /^#!\/bin\/sh\n[\s\S]*^exec 2>&1$/m)
  }
})

test('the day of the version is kept in seconds, for the clock; another text is refused', t => {
  t.is(filesOf({ ...live(), released: '2026-11-23' })['etc/init.d/released'], '1795392000\n')
  t.throws(() => init({ ...live(), released: 'today' }), { message: /no day: today/ })
})

test('a system without a script that init needs is refused by its name', t => {
  const { 'stop.sh': _, ...scripts } = live().init
  t.throws(() => init({ ...live(), init: scripts }), { message: /stop\.sh/ })
})

test('the kernel settings are one key and one value a line, each key once', t => {
  const lines = live()
    .sysctl.split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
  for (const line of lines) t.regex(line, /^[a-z0-9_.]+ = \d+( \d+)*$/)
  const keys = lines.map(line => line.split(' ')[0])
  t.is(new Set(keys).size, keys.length)
})

test('performance events are limited by a value that the kernel of upstream knows', t => {
  t.regex(live().sysctl, /^kernel\.perf_event_paranoid = [0-2]$/m)
})

function filesOf(system: Parameters<typeof init>[0]): Record<string, unknown> {
  return JSON.parse(init(system).env.files as string)
}
