import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { StorePath } from '../../../graph/store-path.ts'
import type { Event } from '../../../store/event.ts'
import { faultyHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { lastGood } from '../../../store/target/boot-menu.ts'
import {
  addGeneration,
  currentGeneration,
  generations,
  switchTo,
} from '../../../store/target/generations.ts'
import { readJournal } from '../../../store/target/journal.ts'
import type { Machine } from '../../../store/target/machine.ts'
import { rollbacks } from '../../../store/target/rollbacks.ts'
import { recover, rollBack, transition } from '../../../store/target/transition.ts'
import { addPackage } from '../../helpers/package.ts'
import { machineAt, newMachine, profileOf, watching } from '../../helpers/target-machine.ts'

const made = { at: Date.UTC(2026, 10, 23), user: 'root', command: ['install', 'web'] }

test('each change of the system is in the menu of the boot loader', async t => {
  const { machine, web } = await diskMachine(t)
  await transition(machine, web, { ...watching(), made })
  t.regex(menuOf(machine), /set current=2\n/)
  t.regex(menuOf(machine), /'Generation 2: 2026-11-23, mix install web'.*\n.*'Generation 1: /)
  const before = menuOf(machine)
  await rollBack(machine, 1, watching())
  t.regex(menuOf(machine), /set current=1\n/)
  t.not(attemptIn(before), attemptIn(menuOf(machine)), 'what failed once could not be tried again')
})

test('a generation of which it cannot be read how it was made is a choice, and in the way of no change', async t => {
  const { machine, web } = await diskMachine(t)
  await transition(machine, web, { ...watching(), made })
  writeFileSync(join(machine.store.layout.profiles, 'system/2.json'), '{')
  await rollBack(machine, 1, watching())
  t.regex(menuOf(machine), /'Generation 2: how it was made cannot be read'/)
})

test('a generation without a kernel is no choice', async t => {
  const { machine } = await diskMachine(t)
  const bare = await addPackage(machine.store, 'bare', { tree: {} })
  const profile = await profileOf(machine.store, [bare])
  await transition(machine, profile, { ...watching(), made })
  t.notRegex(menuOf(machine), /generation-2/)
})

test('a machine that does not start from its own disk gets no menu', async t => {
  const { machine, web } = await diskMachine(t)
  nodeHost.files.unlink(join(machine.root, 'boot/grub/grubenv'))
  await transition(machine, web, { ...watching(), made })
  t.throws(() => menuOf(machine), { code: 'ENOENT' })
})

test('the boot loader returns to the last generation that reached its login prompt', async t => {
  const { machine } = await diskMachine(t)
  t.is(lastGood(machine), undefined)
  writeFileSync(join(machine.root, 'boot/grub/grubenv'), '# GRUB Environment Block\ngood=7\n####')
  t.is(lastGood(machine), 7)
})

test('wherever a change stops, the menu names the current generation after the next start', async t => {
  let well = 0
  for (let at = 1; well < 4; at++) {
    const { machine, web } = await diskMachine(t)
    const faulty = machineAt(machine.root, faultyHost(nodeHost, { at, how: 'halt' }))
    const ended = await transition(faulty, web, { ...watching(), made }).then(
      () => true,
      () => false,
    )
    well = ended ? well + 1 : 0
    const again = machineAt(machine.root)
    await recover(again, watching())
    const numbers = generations(again.store).map(({ number }) => number)
    const menu = nodeHost.files.read(join(machine.root, 'boot/grub/generations.cfg'))?.toString()
    const { number } = currentGeneration(again.store)
    if (menu === undefined) t.is(number, 1, `halt at ${at}`)
    else {
      t.true(menu.includes(`set current=${number}\n`), `halt at ${at}: ${menu}`)
      const listed = [...menu.matchAll(/--id generation-(\d+)/g)].map(match => Number(match[1]))
      for (const one of numbers) t.true(listed.includes(one), `halt at ${at}: ${one}`)
    }
  }
})

test('what the boot menu chose is completed as a rollback', async t => {
  const { machine, web } = await diskMachine(t, { 'etc/web/types': 'types\n' })
  await transition(machine, web, { ...watching(), made })
  // The initramfs has done this much.
  const directory = join(machine.store.layout.profiles, 'system')
  writeFileSync(join(directory, 'journal'), '{"from":2,"to":1,"isNew":false}\n')
  nodeHost.files.unlink(join(directory, 'current'))
  nodeHost.files.symlink('1', join(directory, 'current'))
  await recover(machine, watching())
  t.is(currentGeneration(machine.store).number, 1)
  t.is(nodeHost.files.lstat(join(machine.root, 'etc/web/types')), undefined)
  t.regex(menuOf(machine), /set current=1\n/)
  t.like(rollbacks(machine.store), [{ user: 'the boot menu', command: [], from: 2, to: 1 }])
})

test('a generation that failed is not in the menu', async t => {
  const script = { executable: 'exit 3\n' }
  const { machine, web } = await diskMachine(t, { 'libexec/mix/web/post-install.sh': script })
  await t.throwsAsync(transition(machine, web, { ...watching(), made }), { code: 'SCRIPT_FAILED' })
  t.regex(menuOf(machine), /set current=1\n/)
  t.notRegex(menuOf(machine), /generation-2/)
})

test('a script that fails does not lead from what the boot menu chose to what does not start', async t => {
  const script = { executable: 'exit 3\n' }
  const { machine, web } = await diskMachine(t, { 'libexec/mix/web/post-install.sh': script })
  const { store } = machine
  const bad = await profileOf(store, [await addPackage(store, 'bad', { tree: {} })])
  await addGeneration(store, { number: 2, path: web, made: undefined })
  await addGeneration(store, { number: 3, path: bad, made: undefined })
  await switchTo(store, { number: 2 })
  writeFileSync(join(store.layout.profiles, 'system/journal'), '{"from":3,"to":2,"isNew":false}\n')
  const events: Event[] = []
  await recover(machine, watching(events))
  t.is(currentGeneration(store).number, 2)
  t.true(
    events.some(
      event =>
        event.type === 'warning' &&
        event.message === 'the post-install script of web 1 ended with 3',
    ),
  )
  t.is(readJournal(store), undefined)
  t.regex(menuOf(machine), /set current=2\n/)
})

async function diskMachine(t: ExecutionContext, tree = {}) {
  let base = '' as StorePath
  const machine = await newMachine(t, async store => {
    base = await addPackage(store, 'base', { tree: { 'boot/vmlinuz': 'kernel' } })
    return [base]
  })
  mkdirSync(join(machine.root, 'boot/grub'), { recursive: true })
  writeFileSync(join(machine.root, 'boot/grub/grubenv'), '# GRUB Environment Block\n')
  const added = await addPackage(machine.store, 'web', { tree })
  const web = await profileOf(machine.store, [base, added], ['web'])
  return { machine, web }
}

const menuOf = ({ root }: Machine): string =>
  readFileSync(join(root, 'boot/grub/generations.cfg'), 'utf8')
const attemptIn = (menu: string): string | undefined => /^set attempt=(\S+)$/m.exec(menu)?.[1]
