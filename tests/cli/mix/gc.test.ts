import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { MixContext } from '../../../cli/mix/context.ts'
import { gc } from '../../../cli/mix/gc.ts'
import type { StorePath } from '../../../graph/store-path.ts'
import type { Host } from '../../../store/host.ts'
import { type Change, watchedHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { generationNumbers } from '../../../store/target/generations.ts'
import { history } from '../../../store/target/history.ts'
import type { Machine } from '../../../store/target/machine.ts'
import { rollBack, transition } from '../../../store/target/transition.ts'
import { addPackage } from '../../helpers/package.ts'
import { newMachine, profileOf, watching } from '../../helpers/target-machine.ts'

test('generations are forgotten on a full disk, the boot menu follows, and the history stays', async t => {
  const { machine, old } = await threeGenerations(t)
  await rollBack(machine, 2, watching())
  await rollBack(machine, 3, watching())
  let isFull = true
  const host = watchedHost(nodeHost, (change, path) => {
    if (isFull && TAKES_SPACE.has(change))
      throw Object.assign(new Error(`ENOSPC: ${path}`), { code: 'ENOSPC' })
    if (path.includes(old)) isFull = false
  })
  await collect(machine, host)
  t.deepEqual(generationNumbers(machine.store), [3])
  t.deepEqual(listedIn(machine), [3])
  t.deepEqual(
    history(machine.store).map(({ generation, from }) => [generation, from]),
    [
      [2, 1],
      [3, 2],
      [2, 3],
      [3, 2],
    ],
  )
})

test('the boot menu is right after a collection that was cut off and is done again', async t => {
  const { machine } = await threeGenerations(t)
  const host = watchedHost(nodeHost, (_, path) => {
    if (path.startsWith(join(machine.root, 'boot'))) throw new Error('the power is gone')
  })
  await t.throwsAsync(collect(machine, host), { message: 'the power is gone' })
  t.deepEqual(listedIn(machine), [1, 2, 3])
  await collect(machine, nodeHost)
  t.deepEqual(listedIn(machine), [3])
})

const TAKES_SPACE: ReadonlySet<Change> = new Set([
  'makeDirectory',
  'symlink',
  'writeAt',
  'writeFrom',
  'writeNew',
])

/** All with a kernel; the first two have `old`. */
async function threeGenerations(t: ExecutionContext) {
  let base = '' as StorePath
  const machine = await newMachine(t, async store => {
    base = await addPackage(store, 'base', { tree: { 'boot/vmlinuz': 'kernel' } })
    return [base]
  })
  const { store } = machine
  mkdirSync(join(machine.root, 'boot/grub'), { recursive: true })
  writeFileSync(join(machine.root, 'boot/grub/grubenv'), '# GRUB Environment Block\n')
  const old = await addPackage(store, 'old')
  const made = { at: 1, user: 'root', command: [] }
  for (const packages of [[base, old], [base]]) {
    const profile = await profileOf(store, packages, [`${packages.length}`])
    await transition(machine, profile, { ...watching(), made })
  }
  return { machine, old }
}

async function collect({ root }: Machine, host: Host): Promise<void> {
  const context: MixContext = {
    ...watching(),
    directory: root,
    root: join(root, 'mix'),
    environment: {},
    argv: ['gc', '--keep', '1'],
    host,
    confirm: async () => undefined,
  }
  await gc(context).handler({ keep: 1, dryRun: false, json: false })
}

/** The generations that the boot menu offers. */
const listedIn = ({ root }: Machine): number[] =>
  [
    ...readFileSync(join(root, 'boot/grub/generations.cfg'), 'utf8').matchAll(
      /--id generation-(\d+)/g,
    ),
  ]
    .map(match => Number(match[1]))
    .sort()
