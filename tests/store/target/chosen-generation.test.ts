import { execFileSync } from 'node:child_process'
import { lstatSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { live } from '../../../configs/systems/live.ts'
import type { StorePath } from '../../../graph/store-path.ts'
import { faultyHost, watchedHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import {
  currentGeneration,
  currentNumber,
  generationNumbers,
} from '../../../store/target/generations.ts'
import { readJournal } from '../../../store/target/journal.ts'
import type { Machine } from '../../../store/target/machine.ts'
import { recover, transition } from '../../../store/target/transition.ts'
import { verify } from '../../../store/verify.ts'
import { addPackage } from '../../helpers/package.ts'
import { sandboxTools } from '../../helpers/sandbox-tools.ts'
import { machineAt, newMachine, profileOf, watching } from '../../helpers/target-machine.ts'

const made = { at: 1, user: 'root', command: ["it's", '\\n', '"'] }
const files = { 'etc/web/web.conf': 'port 80\n', 'etc/web/types': 'types\n' }

test('wherever a change stops, any other generation can be started, and gets its files', async t => {
  for (const wanted of [1, 2, 3]) {
    let well = 0
    for (let at = 1; well < 1; at++) {
      const { machine, next } = await threeStates(t)
      const faulty = machineAt(machine.root, faultyHost(nodeHost, { at, how: 'halt' }))
      well += await transition(faulty, next, { ...watching(), made }).then(
        () => 1,
        () => 0,
      )
      if (!generationNumbers(machine.store).includes(wanted)) continue
      await choose(machine, wanted)
      const after = `${wanted} after a halt at ${at}`
      t.is(currentNumber(machine.store), wanted, after)
      await recover(machine, watching())
      t.is(currentNumber(machine.store), wanted, after)
      t.is(readJournal(machine.store), undefined, after)
      t.deepEqual(filesIn(machine), wanted === 2 ? [] : ['types', 'web.conf'], after)
      t.deepEqual((await verify(machine.store)).problems, [], after)
    }
  }
})

test('another generation can be started where the one that was chosen does not start either', async t => {
  const { machine, next } = await threeStates(t)
  const { store } = machine
  let isCut = false
  const host = watchedHost(nodeHost, (_, path) => {
    isCut ||= path === join(machine.root, 'etc/web')
    if (isCut) throw new Error('the power is gone')
  })
  await t.throwsAsync(transition(machineAt(machine.root, host), next, { ...watching(), made }))
  t.is(currentNumber(store), 3)
  for (const number of [2, 1]) await choose(machine, number)
  t.is(currentNumber(store), 1)
  t.like(readJournal(store), { from: 2, to: 1, after: { from: 2, to: 3, isNew: true } })
  await recover(machine, watching())
  t.deepEqual(filesIn(machine), ['types', 'web.conf'])
})

test('a link that a power cut left where the journal is made does not become the journal', async t => {
  const { machine } = await threeStates(t)
  symlinkSync('1', join(machine.store.layout.scratch, 'chosen'))
  await choose(machine, 1)
  const journal = join(machine.store.layout.profiles, 'system/journal')
  t.true(lstatSync(journal).isFile())
  t.is(readFileSync(journal, 'utf8'), '{"from":2,"to":1,"isNew":false}\n')
})

test('another generation can be started where the disk has no room for the journal', async t => {
  const { machine, next } = await threeStates(t)
  await transition(machine, next, { ...watching(), made })
  t.deepEqual(filesIn(machine), ['types', 'web.conf'])
  await choose(machine, 2, 'printf() { echo -n "{"; }')
  t.is(readFileSync(join(machine.store.layout.profiles, 'system/journal'), 'utf8'), '')
  await recover(machine, watching())
  t.is(currentNumber(machine.store), 2)
  t.is(readJournal(machine.store), undefined)
  t.deepEqual(filesIn(machine), [])
})

test('a generation that is not there, and the current one, are started without a journal', async t => {
  const { machine } = await threeStates(t)
  for (const number of [7, 2]) await choose(machine, number)
  t.is(currentNumber(machine.store), 2)
  t.is(readJournal(machine.store), undefined)
})

/** Of generations 1 and 2, the second one lacks the package that is in the profile for the third. */
async function threeStates(t: ExecutionContext) {
  let [base, web] = ['', ''] as StorePath[]
  const machine = await newMachine(t, async store => {
    base = await addPackage(store, 'base', { tree: { 'bin/base': { executable: 'base' } } })
    web = await addPackage(store, 'web', { tree: files, config: ['web/web.conf'] })
    return [base, web]
  })
  const { store } = machine
  const without = await profileOf(store, [base as StorePath])
  await transition(machine, without, { ...watching(), made })
  const more = await addPackage(store, 'more', { tree: { 'etc/more/conf': 'more\n' } })
  const next = await profileOf(store, [base as StorePath, web as StorePath, more])
  return { machine, next }
}

/** What the initramfs does with the choice, as its own shell does it. */
async function choose({ root }: Machine, number: number, full = ''): Promise<void> {
  const { busybox } = await sandboxTools()
  const script = live().init['find-root.sh'] as string
  const [choice = ''] = /^choose_generation\(\) \{\n[\s\S]*?^\}\n/m.exec(script) ?? []
  const here = choice.replaceAll('/root/mix', join(root, 'mix'))
  const rest = `say() { :; }\nsync() { :; }\n${full}\ngeneration=${number}\n${here}choose_generation`
  execFileSync(busybox, ['sh', '-c', rest], { env: {} })
}

/** What there is of the package's files, be it in the current profile where it is a link into that. */
function filesIn({ root, store }: Machine): string[] {
  const { lstat, list } = store.host.files
  const held = join(store.hostPath(currentGeneration(store).path), 'etc/web')
  const directory = join(root, 'etc/web')
  if (!lstat(directory)) return []
  return list(directory).filter(
    name => lstat(join(directory, name))?.isFile() || lstat(join(held, name)),
  )
}
