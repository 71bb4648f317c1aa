import {
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { digestOfPath, type StorePath } from '../../../graph/store-path.ts'
import { collect } from '../../../store/collect.ts'
import { removeTree } from '../../../store/disk/remove.ts'
import type { Event } from '../../../store/event.ts'
import { type Fault, faultyHost, watchedHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import {
  currentGeneration,
  generationNumbers,
  generations,
  removeGeneration,
} from '../../../store/target/generations.ts'
import { history } from '../../../store/target/history.ts'
import { installedIn } from '../../../store/target/installed.ts'
import type { Machine } from '../../../store/target/machine.ts'
import { rollbacks } from '../../../store/target/rollbacks.ts'
import {
  forgetGenerations,
  noteForgotten,
  recover,
  rollBack,
  transition,
} from '../../../store/target/transition.ts'
import { verify } from '../../../store/verify.ts'
import { errorOf } from '../../helpers/child.ts'
import { addPackage } from '../../helpers/package.ts'
import { machineAt, newMachine, profileOf, watching } from '../../helpers/target-machine.ts'
import type { Tree } from '../../helpers/temp-store.ts'

const made = { at: 1, user: 'root', command: ['install', 'web'] }
const config = { 'etc/web/web.conf': 'port 80\n', 'etc/web/types': 'types\n' }

test('a transition makes a profile current, and rolling back the one before', async t => {
  const { machine, web } = await setUp(t, { 'bin/web': { executable: 'program' } })
  const generation = await transition(machine, web, { ...watching(), made })
  t.is(generation.number, 2)
  t.deepEqual(namesIn(machine), ['base', 'web'])
  const added = [{ name: 'web', version: '1' }]
  const changes = { added, removed: [], replaced: [] }
  t.deepEqual(currentGeneration(machine.store).made, { ...made, from: 1, changes })
  t.is((await rollBack(machine, undefined, watching())).number, 1)
  t.deepEqual(namesIn(machine), ['base'])
  t.is((await rollBack(machine, 2, watching())).number, 2)
  t.deepEqual(namesIn(machine), ['base', 'web'])
})

test('a profile that was planned for another generation than the current one undoes nothing', async t => {
  const { machine, web, base } = await setUp(t, {})
  const other = await addPackage(machine.store, 'other', { tree: { 'bin/other': 'other' } })
  const profile = await profileOf(machine.store, [base, other], ['other'])
  await transition(machine, web, { ...watching(), made, onto: 1 })
  await t.throwsAsync(transition(machine, profile, { ...watching(), made, onto: 1 }), {
    code: 'SYSTEM_CHANGED',
    message: 'this was planned for generation 1, and now generation 2 is current',
  })
  t.deepEqual(namesIn(machine), ['base', 'web'])
})

test('rolling back goes to what the current generation was made from, not to what was undone', async t => {
  const { machine, web, base } = await setUp(t, {})
  await transition(machine, web, { ...watching(), made })
  await rollBack(machine, 1, watching())
  const other = await addPackage(machine.store, 'other', { tree: { 'bin/other': 'other' } })
  const profile = await profileOf(machine.store, [base, other], ['other'])
  t.is((await transition(machine, profile, { ...watching(), made })).number, 3)
  t.is((await rollBack(machine, undefined, watching())).number, 1)
  await rollBack(machine, 3, watching())
  // Of those that stay, none is what 3 was made from.
  await removeGeneration(machine.store, 1)
  await t.throwsAsync(rollBack(machine, undefined, watching()), {
    code: 'NAME_UNKNOWN',
    message: 'there is no generation 1, from which 3 was made',
  })
})

test('who goes back, when, and what that changes stays known when the generations are forgotten', async t => {
  const { machine, web } = await setUp(t, {})
  await transition(machine, web, { ...watching(), made })
  const one = { ...made, at: 5, command: ['rollback', '1'] }
  const two = { ...made, at: 6, command: ['rollback', '2'] }
  await rollBack(machine, 1, { ...watching(), made: one })
  await rollBack(machine, 2, { ...watching(), made: two })
  const named = [{ name: 'web', version: '1' }]
  const noted = [
    { ...one, from: 2, to: 1, newest: 2, changes: { added: [], removed: named, replaced: [] } },
    { ...two, from: 1, to: 2, newest: 2, changes: { added: named, removed: [], replaced: [] } },
  ]
  t.deepEqual(rollbacks(machine.store), noted)
  await rollBack(machine, 1, { ...watching(), made: one })
  await forgetGenerations(machine, 1, watching())
  await noteForgotten(machine, watching())
  t.deepEqual(rollbacks(machine.store).slice(0, 2), noted)
})

test('how a generation came to be stays known when it is forgotten, and its number is not given again', async t => {
  const { machine, web, base } = await setUp(t, {})
  await transition(machine, web, { ...watching(), made })
  const other = await addPackage(machine.store, 'other', { tree: { 'bin/other': 'other' } })
  const profile = await profileOf(machine.store, [base, other], ['other'])
  await transition(machine, profile, { ...watching(), made })
  await forgetGenerations(machine, 1, watching())
  await noteForgotten(machine, watching())
  t.deepEqual(generationNumbers(machine.store), [3])
  t.deepEqual(
    history(machine.store).map(({ generation, from, changes }) => [
      ...[generation, from],
      changes?.added.map(({ name }) => name),
      changes?.removed.map(({ name }) => name),
    ]),
    [
      [2, 1, ['web'], []],
      [3, 2, ['other'], ['web']],
    ],
  )
  t.is((await transition(machine, web, { ...watching(), made })).number, 4)
})

test('an older generation that is damaged is in nobody’s way, and is not gone back to', async t => {
  const { machine, web, base } = await setUp(t, {})
  const first = currentGeneration(machine.store).path
  await transition(machine, web, { ...watching(), made })
  nodeHost.files.unlink(machine.store.layout.record(digestOfPath(first)))
  const other = await addPackage(machine.store, 'other', { tree: { 'bin/other': 'other' } })
  const next = await profileOf(machine.store, [base, other], ['other'])
  t.is((await transition(machine, next, { ...watching(), made })).number, 3)
  await t.throwsAsync(rollBack(machine, 1, watching()), {
    code: 'PACKAGE_INVALID',
    message: /system\/1 leads to .*-system-1, which is no object$/,
  })
  t.is((await rollBack(machine, 2, watching())).number, 2)
})

const losses: Readonly<Record<string, (machine: Machine, path: StorePath) => void>> = {
  'has lost its record': ({ store }, path) =>
    nodeHost.files.unlink(store.layout.record(digestOfPath(path))),
  'is gone': ({ store }, path) => removeTree(nodeHost, store.hostPath(path)),
  'has lost a package': ({ store }, path) => {
    const [, web] = installedIn(store, path)
    if (web) removeTree(nodeHost, store.hostPath(web.path))
  },
  'is named by no link': ({ store }) =>
    nodeHost.files.unlink(join(store.layout.profiles, 'system/current')),
}
for (const [how, lose] of Object.entries(losses)) {
  test(`an older generation can be gone back to where the current one ${how}`, async t => {
    const { machine, web } = await setUp(t, config, ['web/web.conf'])
    await transition(machine, web, { ...watching(), made })
    lose(machine, web)
    t.is((await rollBack(machine, 1, watching())).number, 1)
    t.deepEqual(namesIn(machine), ['base'])
    t.deepEqual(await recover(machine, watching()), undefined)
    t.is(exists(machine, 'web/web.conf'), how !== 'has lost its record')
  })
}

test('rolling back to what is not there names what is', async t => {
  const { machine } = await setUp(t, {})
  await t.throwsAsync(rollBack(machine, 7, watching()), {
    code: 'NAME_UNKNOWN',
    message: 'there is no generation 7',
  })
  await t.throwsAsync(rollBack(machine, undefined, watching()), { code: 'NAME_UNKNOWN' })
})

test('files below etc are links into the profile, and those of the user copies; both go with the package', async t => {
  const { machine, web } = await setUp(t, config, ['web/web.conf'])
  await transition(machine, web, { ...watching(), made })
  t.is(etc(machine, 'web/web.conf'), 'port 80\n')
  t.true(lstatSync(join(machine.root, 'etc/web/web.conf')).isFile())
  t.is(
    readlinkSync(join(machine.root, 'etc/web/types')),
    '/mix/profiles/system/current/etc/web/types',
  )
  await rollBack(machine, 1, watching())
  t.throws(() => etc(machine, 'web/web.conf'), { code: 'ENOENT' })
  t.throws(() => lstatSync(join(machine.root, 'etc/web/types')), { code: 'ENOENT' })
})

test('a configuration that the user changed is kept, and a new one is put beside it', async t => {
  const { machine, web, base } = await setUp(t, config, ['web/web.conf'])
  await transition(machine, web, { ...watching(), made })
  writeFileSync(join(machine.root, 'etc/web/web.conf'), 'port 8080\n')
  const newer = await profileOf(machine.store, [
    base,
    await addPackage(machine.store, 'web', {
      tree: { ...config, 'etc/web/web.conf': 'port 81\n' },
      config: ['web/web.conf'],
    }),
  ])
  const events: Event[] = []
  await transition(machine, newer, { ...watching(events), made })
  t.is(etc(machine, 'web/web.conf'), 'port 8080\n')
  t.is(etc(machine, 'web/web.conf.mixnew'), 'port 81\n')
  t.true(
    events.some(event => event.type === 'warning' && event.message.includes('web.conf.mixnew')),
  )
})

test('a configuration that nobody changed is replaced by a new one', async t => {
  const { machine, web, base } = await setUp(t, config, ['web/web.conf'])
  await transition(machine, web, { ...watching(), made })
  const tree = { ...config, 'etc/web/web.conf': 'port 81\n' }
  const newer = await addPackage(machine.store, 'web', { tree, config: ['web/web.conf'] })
  await transition(machine, await profileOf(machine.store, [base, newer]), { ...watching(), made })
  t.is(etc(machine, 'web/web.conf'), 'port 81\n')
})

test('a directory below etc that is a link into the profile gives way to one with the files of the user', async t => {
  const { machine, web } = await setUp(t, config, ['web/web.conf'])
  machine.store.host.files.symlink(
    '/mix/profiles/system/current/etc/web',
    join(machine.root, 'etc/web'),
  )
  await transition(machine, web, { ...watching(), made })
  t.true(lstatSync(join(machine.root, 'etc/web')).isDirectory())
  t.is(etc(machine, 'web/web.conf'), 'port 80\n')
})

test('scripts run once for each change, with the name of their package', async t => {
  const script = (when: string) => ({
    executable: `#!/bin/sh\necho "${when} $MIX_PACKAGE $MIX_VERSION" >>ran\n`,
  })
  const { machine, web } = await setUp(t, {
    'libexec/mix/web/pre-install.sh': script('before'),
    'libexec/mix/web/post-install.sh': script('after'),
  })
  await transition(machine, web, { ...watching(), made })
  t.is(readFileSync(join(machine.root, 'ran'), 'utf8'), 'before web 1\nafter web 1\n')
})

test('a line that a script prints in two parts is told as one', async t => {
  const { machine, web } = await setUp(t, {
    'libexec/mix/web/post-install.sh': { executable: 'printf one-; sleep 0.1; echo half\n' },
  })
  const events: Event[] = []
  await transition(machine, web, { ...watching(events), made })
  t.deepEqual(
    events.flatMap(event => (event.type === 'warning' ? [event.message] : [])),
    ['web: one-half'],
  )
})

for (const when of ['pre-install', 'post-install']) {
  test(`a ${when} script that fails undoes the change, and says how it ended`, async t => {
    const { machine, web } = await setUp(
      t,
      { ...config, [`libexec/mix/web/${when}.sh`]: { executable: 'echo no; exit 3\n' } },
      ['web/web.conf'],
    )
    const events: Event[] = []
    const error = await t.throwsAsync(transition(machine, web, { ...watching(events), made }), {
      code: 'SCRIPT_FAILED',
    })
    t.is(error?.message, `the ${when} script of web 1 ended with 3`)
    t.true(events.some(event => event.type === 'warning' && event.message === 'web: no'))
    t.deepEqual(
      generations(machine.store).map(({ number }) => number),
      [1],
    )
    t.is(currentGeneration(machine.store).number, 1)
    t.throws(() => etc(machine, 'web/web.conf'), { code: 'ENOENT' })
  })
}

test('a change that fails takes back what it put beside a file of the user, and nothing else', async t => {
  const { machine, web, base } = await setUp(t, config, ['web/web.conf'])
  await transition(machine, web, { ...watching(), made })
  writeFileSync(join(machine.root, 'etc/web/web.conf'), 'port 8080\n')
  const failing = await addPackage(machine.store, 'web', {
    tree: {
      ...config,
      'etc/web/web.conf': 'port 81\n',
      'libexec/mix/web/post-install.sh': { executable: 'ls etc/web >seen; exit 1\n' },
    },
    config: ['web/web.conf'],
  })
  const profile = await profileOf(machine.store, [base, failing])
  const change = () => transition(machine, profile, { ...watching(), made })
  await t.throwsAsync(change(), { code: 'SCRIPT_FAILED' })
  t.is(readFileSync(join(machine.root, 'seen'), 'utf8'), 'types\nweb.conf\nweb.conf.mixnew\n')
  t.false(exists(machine, 'web/web.conf.mixnew'))
  t.is(etc(machine, 'web/web.conf'), 'port 8080\n')
})

test('two packages with one file cannot be in one profile, and both are named', async t => {
  const { machine, base } = await setUp(t, {})
  const other = await addPackage(machine.store, 'other', { tree: { 'sbin/base': 'x' } })
  const error = await t.throwsAsync(profileOf(machine.store, [base, other]), {
    code: 'PACKAGE_CONFLICT',
  })
  t.true(error?.message.includes(base) && error.message.includes(other))
})

test('a program that is a file comes before one that is only another name of a program', async t => {
  const { machine, base } = await setUp(t, {})
  const { store } = machine
  const many = await addPackage(store, 'many', {
    tree: { 'bin/many': { executable: 'x' }, 'bin/base': { symlink: 'many' } },
  })
  for (const packages of [
    [base, many],
    [many, base],
  ]) {
    const profile = await profileOf(store, packages)
    t.is(readlinkSync(join(store.hostPath(profile), 'bin/base')), `/mix/store/${base}/bin/base`)
  }
})

test('a collection keeps what a generation needs, and deletes what none does', async t => {
  const { machine, web } = await setUp(t, {})
  await transition(machine, web, { ...watching(), made })
  const unused = await addPackage(machine.store, 'unused', { tree: {} })
  const { objects } = await collect(machine.store, watching())
  t.deepEqual(objects, [unused])
  t.deepEqual(namesIn(machine), ['base', 'web'])
})

test('the bytes of a file below etc are on disk before it has its name', async t => {
  const { machine, web } = await setUp(t, config, ['web/web.conf'])
  const changes: string[] = []
  const host = watchedHost(nodeHost, (change, path) => changes.push(`${change} ${path}`))
  await transition(machineAt(machine.root, host), web, { ...watching(), made })
  const at = changes.indexOf(`rename ${join(machine.root, 'etc/web/web.conf')}`)
  t.regex(changes[at - 1] ?? '', /^sync .*\/etc\/web\/\.web\.conf\.mixtemp$/)
  t.regex(changes[at - 2] ?? '', /^changeMode /)
  t.regex(changes[at - 3] ?? '', /^writeNew /)
})

for (const how of ['halt', 'EIO', 'ENOSPC'] as const) {
  test(`whichever change of a transition it is at which there is ${how}, the old system or the new one is whole`, async t => {
    const seen = new Set<number>()
    let well = 0
    for (let at = 1; well < 8; at++) {
      const { machine, web } = await setUp(t, config, ['web/web.conf'])
      const ended = await interrupted(machine, web, { at, how })
      well = ended ? well + 1 : 0
      const again = machineAt(machine.root)
      await recover(again, watching())
      const { number } = currentGeneration(again.store)
      seen.add(number)
      const after = `${how} at ${at}`
      t.deepEqual(namesIn(again), number === 2 ? ['base', 'web'] : ['base'], after)
      t.is(exists(machine, 'web/web.conf'), number === 2, after)
      t.deepEqual(hiddenBelow(join(machine.root, 'etc')), [], after)
      t.deepEqual((await verify(again.store)).problems, [], after)
      // What was interrupted can be done again.
      const next = await transition(again, web, { ...watching(), made })
      t.deepEqual(namesIn(again), ['base', 'web'], after)
      t.is(next.number, number + 1, after)
      removeTree(nodeHost, machine.root)
    }
    t.deepEqual([...seen].sort(), [1, 2])
  })
}

test('wherever going back stops, it is done or not, and noted once where it is', async t => {
  const back = { ...made, at: 3, command: ['rollback'] }
  const seen = new Set<number>()
  let well = 0
  for (let at = 1; well < 4; at++) {
    const { machine, web } = await setUp(t, config, ['web/web.conf'])
    await transition(machine, web, { ...watching(), made })
    const faulty = machineAt(machine.root, faultyHost(nodeHost, { at, how: 'halt' }))
    const error = await errorOf(rollBack(faulty, undefined, { ...watching(), made: back }))
    well = error ? 0 : well + 1
    const again = machineAt(machine.root)
    await recover(again, watching())
    const { number } = currentGeneration(again.store)
    seen.add(number)
    const removed = [{ name: 'web', version: '1' }]
    const changes = { added: [], removed, replaced: [] }
    const note = { ...back, from: 2, to: 1, newest: 2, changes }
    const after = `halt at ${at}`
    t.deepEqual(rollbacks(again.store), number === 1 ? [note] : [], after)
    t.is(exists(machine, 'web/web.conf'), number === 2, after)
    removeTree(nodeHost, machine.root)
  }
  t.deepEqual([...seen].sort(), [1, 2])
})

/** True where it ended well. */
async function interrupted(machine: Machine, profile: StorePath, fault: Fault): Promise<boolean> {
  try {
    const faulty = machineAt(machine.root, faultyHost(nodeHost, fault))
    await transition(faulty, profile, { ...watching(), made })
    return true
  } catch {
    return false
  }
}

async function setUp(t: ExecutionContext, tree: Tree, config: string[] = []) {
  let base = '' as StorePath
  const machine = await newMachine(t, async store => {
    base = await addPackage(store, 'base', { tree: { 'bin/base': { executable: 'base' } } })
    return [base]
  })
  const added = await addPackage(machine.store, 'web', { tree, config })
  const web = await profileOf(machine.store, [base, added], ['web'])
  return { machine, web, base }
}

function namesIn({ store }: Machine): string[] {
  return installedIn(store, currentGeneration(store).path).map(({ name }) => name)
}

/** Names that begin with a dot: what is being written has such a one. */
const hiddenBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(path =>
    basename(path).startsWith('.'),
  )

const etc = ({ root }: Machine, path: string): string =>
  readFileSync(join(root, 'etc', path), 'utf8')

function exists({ root }: Machine, path: string): boolean {
  return nodeHost.files.lstat(join(realpathSync(root), 'etc', path)) !== undefined
}
