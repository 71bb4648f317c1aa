import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { StorePath } from '../../../graph/store-path.ts'
import { removeTree } from '../../../store/disk/remove.ts'
import type { Event } from '../../../store/event.ts'
import { faultyHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { currentGeneration } from '../../../store/target/generations.ts'
import type { Machine } from '../../../store/target/machine.ts'
import { recover, rollBack, transition } from '../../../store/target/transition.ts'
import { verify } from '../../../store/verify.ts'
import { addPackage } from '../../helpers/package.ts'
import { machineAt, newMachine, profileOf, watching } from '../../helpers/target-machine.ts'

const made = { at: 1, user: 'root', command: [] }
const conf = 'web/web.conf'
const inProfile = '/mix/profiles/system/current/etc'

test('a directory of the user that a link in etc leads to is written through it, and keeps what else it holds', async t => {
  const { machine, change } = await setUp(t)
  mkdirSync(join(machine.root, 'srv/web/sites'), { recursive: true })
  writeFileSync(join(machine.root, 'srv/web/web.conf'), 'mine\n')
  symlinkSync('../srv/web', at(machine, 'web'))
  const tree = { 'etc/web/sites/one.conf': 'one\n', 'etc/web/types': 'types\n' }
  const events = await change(
    { ...tree, [`etc/${conf}`]: 'port 80\n' },
    { config: [conf, 'web/sites/one.conf'] },
  )
  t.is(readlinkSync(at(machine, 'web')), '../srv/web')
  t.is(read(machine, conf), 'mine\n')
  t.is(readFileSync(join(machine.root, 'srv/web/web.conf.mixnew'), 'utf8'), 'port 80\n')
  t.is(readFileSync(join(machine.root, 'srv/web/sites/one.conf'), 'utf8'), 'one\n')
  t.is(readlinkSync(join(machine.root, 'srv/web/types')), `${inProfile}/web/types`)
  t.is(events.length, 1)
  await rollBack(machine, 1, watching())
  t.is(readlinkSync(at(machine, 'web')), '../srv/web')
  t.is(read(machine, conf), 'mine\n')
  t.false(existsSync(join(machine.root, 'srv/web/sites/one.conf')))
  t.is(lstatSync(at(machine, 'web/types'), { throwIfNoEntry: false }), undefined)
})

for (const [what, place] of [
  ['a link to nowhere', ({ at }: Place) => symlinkSync('../gone', at)],
  ['a link into the store', ({ at, base }: Place) => symlinkSync(`../mix/store/${base}/bin`, at)],
  ['a file', ({ at }: Place) => writeFileSync(at, 'mine')],
] as const) {
  test(`${what} where a package has a directory stays as it is, and the user is told what is missing`, async t => {
    const { machine, change, base } = await setUp(t)
    place({ at: at(machine, 'web'), base })
    const before = lstatSync(at(machine, 'web'))
    const events = await change({ [`etc/${conf}`]: 'port 80\n' }, { config: [conf] })
    t.is(lstatSync(at(machine, 'web')).ino, before.ino)
    t.like(events, [
      {
        type: 'warning',
        message:
          `/etc/web is no directory for files of root's, so /etc/${conf} was not made; ` +
          `it is in ${inProfile}/${conf}`,
      },
    ])
    t.is(currentGeneration(machine.store).number, 2)
    t.deepEqual((await verify(machine.store)).problems, [])
    await rollBack(machine, 1, watching())
    t.is(lstatSync(at(machine, 'web')).ino, before.ino)
  })
}

test('what the user deleted below etc stays away when something else changes, and when its package is upgraded', async t => {
  const { machine, change } = await setUp(t)
  const tree = { [`etc/${conf}`]: 'port 80\n', 'etc/web/types': 'types\n', 'etc/motd': 'hello\n' }
  await change(tree, { config: [conf] })
  for (const path of [conf, 'web/types', 'motd']) rmSync(at(machine, path))
  await change({ ...tree, 'bin/web': 'new program' }, { config: [conf] })
  await change({ ...tree, [`etc/${conf}`]: 'port 81\n', 'etc/motd': 'hi\n' }, { config: [conf] })
  t.deepEqual(nodeHost.files.list(at(machine, 'web')), [])
  t.is(lstatSync(at(machine, 'motd'), { throwIfNoEntry: false }), undefined)
})

test('a new version of a configuration has the mode that the user gave the old one', async t => {
  const { machine, change } = await setUp(t)
  await change({ [`etc/${conf}`]: 'port 80\n' }, { config: [conf] })
  t.is(modeOf(machine, conf), 0o644)
  chmodSync(at(machine, conf), 0o660)
  await change({ [`etc/${conf}`]: 'port 81\n' }, { config: [conf] })
  t.is(read(machine, conf), 'port 81\n')
  t.is(modeOf(machine, conf), 0o660)
  writeFileSync(at(machine, conf), 'port 8080\n')
  await change({ [`etc/${conf}`]: 'port 82\n' }, { config: [conf] })
  t.is(read(machine, conf), 'port 8080\n')
  t.is(modeOf(machine, `${conf}.mixnew`), 0o660)
})

test('a file that becomes a configuration becomes a copy, and back a link, unless it was changed', async t => {
  const { machine, change } = await setUp(t)
  const tree = { [`etc/${conf}`]: 'port 80\n' }
  await change(tree)
  t.is(readlinkSync(at(machine, conf)), `${inProfile}/${conf}`)
  await change(tree, { config: [conf] })
  t.true(lstatSync(at(machine, conf)).isFile())
  await change(tree)
  t.is(readlinkSync(at(machine, conf)), `${inProfile}/${conf}`)
  await change(tree, { config: [conf] })
  writeFileSync(at(machine, conf), 'mine\n')
  await change(tree)
  t.is(read(machine, conf), 'mine\n')
})

const shapes = {
  'a link': [{ 'etc/web': 'file\n' }, []],
  'a configuration': [{ 'etc/web': 'file\n' }, ['web']],
  'a directory of links': [{ 'etc/web/one': '1\n', 'etc/web/sub/two': '2\n' }, []],
  'a directory of both': [{ 'etc/web/one': '1\n', 'etc/web/sub/two': '2\n' }, ['web/sub/two']],
} as const
const names = Object.keys(shapes) as (keyof typeof shapes)[]
for (const from of names) {
  for (const to of names.filter(name => /directory/.test(name) !== /directory/.test(from))) {
    test(`${from} below etc becomes ${to} with the next version, and the same again when that is undone`, async t => {
      const { machine, change } = await setUp(t)
      const [[one, oneConfig], [two, twoConfig]] = [shapes[from], shapes[to]]
      await change(one, { config: [...oneConfig] })
      const before = filesBelow(machine)
      t.deepEqual(await change(two, { config: [...twoConfig] }), [])
      const after = filesBelow(machine)
      t.deepEqual([...before.keys()], pathsOf(one))
      t.deepEqual([...after.keys()], pathsOf(two))
      for (const path of twoConfig) t.is(after.get(path), two[`etc/${path}` as keyof typeof two])
      await rollBack(machine, 2, watching())
      t.deepEqual(filesBelow(machine), before)
      await rollBack(machine, 3, watching())
      t.deepEqual(filesBelow(machine), after)
    })
  }
}

test('a file that becomes a directory does so wherever its change stops, or stays as it is', async t => {
  const tree = { 'etc/web/one': '1\n', 'etc/web/sub/two': '2\n' }
  for (let step = 1, well = 0; well < 1; step++) {
    const { machine, base, change } = await setUp(t)
    await change({ 'etc/web': 'file\n' }, { config: ['web'] })
    const web = await addPackage(machine.store, 'web', { tree, config: ['web/one'] })
    const next = await profileOf(machine.store, [base, web])
    const faulty = machineAt(machine.root, faultyHost(nodeHost, { at: step, how: 'halt' }))
    well += await transition(faulty, next, { ...watching(), made }).then(
      () => 1,
      () => 0,
    )
    await recover(machineAt(machine.root), watching())
    const isNew = currentGeneration(machine.store).number === 3
    t.deepEqual([...filesBelow(machine).keys()], isNew ? pathsOf(tree) : ['web'], `halt at ${step}`)
    await rollBack(machine, 2, watching())
    t.deepEqual([...filesBelow(machine).keys()], ['web'])
    removeTree(nodeHost, machine.root)
  }
})

test('a directory that holds a file of the user stays where a package brings a file, and the user is told', async t => {
  for (const config of [[], ['web']]) {
    const { machine, change } = await setUp(t)
    await change({ 'etc/web/one': '1\n' })
    writeFileSync(at(machine, 'web/mine'), 'mine\n')
    t.like(await change({ 'etc/web': 'file\n' }, { config }), [
      {
        type: 'warning',
        message:
          '/etc/web is a directory that holds other files, so the file was not put there; ' +
          `it is in ${inProfile}/web`,
      },
    ])
    t.is(read(machine, 'web/mine'), 'mine\n')
  }
})

test('a configuration that the user changed stays where a package brings a directory, and the user is told', async t => {
  const { machine, change } = await setUp(t)
  await change({ 'etc/web': 'file\n' }, { config: ['web'] })
  writeFileSync(at(machine, 'web'), 'mine\n')
  const [event] = await change({ 'etc/web/one': '1\n' })
  t.like(event, { type: 'warning' })
  t.is(read(machine, 'web'), 'mine\n')
})

test('a configuration that the user replaced by a link stays, and a new one is put beside it', async t => {
  for (const target of ['../srv/web.conf', '../gone', 'web.conf']) {
    const { machine, change } = await setUp(t)
    await change({ [`etc/${conf}`]: 'port 80\n' }, { config: [conf] })
    mkdirSync(join(machine.root, 'srv'))
    writeFileSync(join(machine.root, 'srv/web.conf'), 'mine\n')
    rmSync(at(machine, conf))
    symlinkSync(target, at(machine, conf))
    const events = await change({ [`etc/${conf}`]: 'port 81\n' }, { config: [conf] })
    t.is(readlinkSync(at(machine, conf)), target)
    t.is(read(machine, `${conf}.mixnew`), 'port 81\n')
    t.regex(events.map(event => JSON.stringify(event)).join(), /web\.conf\.mixnew/)
    await rollBack(machine, 1, watching())
    t.is(readlinkSync(at(machine, conf)), target)
  }
})

test('a configuration that the user made private stays when its package goes, and is so when it is back', async t => {
  const { machine, change } = await setUp(t)
  await change({ [`etc/${conf}`]: 'port 80\n' }, { config: [conf] })
  chmodSync(at(machine, conf), 0o600)
  await rollBack(machine, 1, watching())
  t.is(modeOf(machine, conf), 0o600)
  await rollBack(machine, 2, watching())
  t.is(modeOf(machine, conf), 0o600)
})

for (const how of ['halt', 'EIO', 'ENOSPC'] as const) {
  test(`a linked directory keeps its files, whichever change of its transition there is ${how} at`, async t => {
    let well = 0
    for (let step = 1; well < 3; step++) {
      const { machine, base } = await setUp(t)
      const { store, root } = machine
      const tree = { 'etc/web/types': 'types\n', 'etc/web/sites/one': 'one\n' }
      const old = await profileOf(store, [base, await addPackage(store, 'web', { tree })])
      await transition(machine, old, { ...watching(), made })
      // As in an image.
      rmSync(at(machine, 'web'), { recursive: true })
      symlinkSync(`${inProfile}/web`, at(machine, 'web'))
      const more = { ...tree, 'etc/web/sites/two': 'two\n' }
      const web = await addPackage(store, 'web', { tree: more, config: ['web/sites/two'] })
      const next = await profileOf(store, [base, web])
      const faulty = machineAt(root, faultyHost(nodeHost, { at: step, how }))
      const failure = await transition(faulty, next, { ...watching(), made }).then(
        () => undefined,
        error => error,
      )
      well = failure ? 0 : well + 1
      const again = machineAt(root)
      await recover(again, watching())
      const isNew = currentGeneration(store).number === 3
      for (const path of Object.keys(isNew ? more : tree)) {
        t.true(isReached(machine, path), `${path} after ${how} at ${step}`)
      }
      removeTree(nodeHost, root)
    }
  })
}

interface Place {
  readonly at: string
  readonly base: StorePath
}

/** A machine, and what gives it another build of the package `web`, and resolves with what the user is told. */
async function setUp(t: ExecutionContext) {
  let base = '' as StorePath
  const machine = await newMachine(t, async store => {
    base = await addPackage(store, 'base', { tree: { 'bin/base': { executable: 'base' } } })
    return [base]
  })
  const { store } = machine
  const change = async (
    tree: Record<string, string>,
    info: { config?: string[] } = {},
  ): Promise<Event[]> => {
    const web = await addPackage(store, 'web', { tree, ...info })
    const events: Event[] = []
    const profile = await profileOf(store, [base, web])
    await transition(machine, profile, { ...watching(events), made })
    return events
  }
  return { machine, base, change }
}

const at = ({ root }: Machine, path: string): string => join(root, 'etc', path)
const read = (machine: Machine, path: string): string => readFileSync(at(machine, path), 'utf8')
const pathsOf = (tree: object): string[] => Object.keys(tree).map(path => path.slice('etc/'.length))

/** What is below etc but directories: text, or where a link leads. */
function filesBelow({ root }: Machine): Map<string, string> {
  const etc = join(root, 'etc')
  const found = readdirSync(etc, { recursive: true, withFileTypes: true }).filter(
    entry => !entry.isDirectory(),
  )
  const paths = found.map(entry => join(entry.parentPath, entry.name))
  return new Map(
    paths.sort().map(path => {
      const isLink = lstatSync(path).isSymbolicLink()
      return [path.slice(etc.length + 1), isLink ? readlinkSync(path) : readFileSync(path, 'utf8')]
    }),
  )
}

const modeOf = (machine: Machine, path: string): number => statSync(at(machine, path)).mode & 0o777

/** True where a way leads there in the end: itself, or a link into the current profile, on which it is. */
function isReached({ root }: Machine, path: string): boolean {
  const names = path.split('/')
  for (let count = 1; count <= names.length; count++) {
    const way = names.slice(0, count).join('/')
    const found = lstatSync(join(root, way), { throwIfNoEntry: false })
    if (!found) return false
    if (!found.isSymbolicLink()) continue
    const to = readlinkSync(join(root, way))
    const held = join(root, to, ...names.slice(count))
    return to === `${inProfile}/${way.slice('etc/'.length)}` && Boolean(lstatSync(held))
  }
  return true
}
