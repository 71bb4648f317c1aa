import { execFile } from 'node:child_process'
import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { writeMixpkg } from '../../store/builtins/mixpkg.ts'
import { removeTree } from '../../store/disk/remove.ts'
import type { Store } from '../../store/store.ts'
import { storeLock } from '../../store/store-lock.ts'
import { currentGeneration } from '../../store/target/generations.ts'
import { installedIn } from '../../store/target/installed.ts'
import type { Machine } from '../../store/target/machine.ts'
import { transition } from '../../store/target/transition.ts'
import { addPackage } from '../helpers/package.ts'
import { keysOf, published } from '../helpers/repository.ts'
import type { CliResult } from '../helpers/run-cli.ts'
import { machineAt, newMachine, profileOf, watching } from '../helpers/target-machine.ts'
import { cutShort, filesStep, memoryDirectory, tempStore } from '../helpers/temp-store.ts'

const PROGRAM = join(import.meta.dirname, '../../cli/mix/on-node.ts')

test('the first day: update, search, install, list, info, remove, rollback', async t => {
  const { mix, machine } = await setUp(t)
  t.regex((await mix('update')).stdout, /^team: version 1\n5 packages on offer\n$/)
  t.regex((await mix('search', 'server')).stdout, /^web +2 +a web server\n$/)
  const installed = await mix('install', 'web', '--yes')
  t.is(installed.code, 0, installed.stderr)
  t.regex(
    installed.stdout,
    /^install {2}lib 1\ninstall {2}web 2\ngeneration 2 is current; fetched \d+ bytes\n$/,
  )
  t.is(readFileSync(join(machine.root, 'etc/web.conf'), 'utf8'), 'port 80\n')
  t.regex((await mix('list')).stdout, /^base +1 .*\nlib +1 .*\nweb +2 .*\n$/)
  t.regex((await mix('info', 'web')).stdout, /version +2\ninstalled +yes\n/)
  t.is((await mix('why', 'lib')).stdout, 'web was asked for: web needs lib\n')
  t.is((await mix('remove', 'web', '--yes')).code, 0)
  t.regex((await mix('list')).stdout, /^base +1 .*\n$/)
  t.is((await mix('rollback')).stdout, 'generation 2 is current: 3 packages\n')
  t.regex(
    (await mix('history')).stdout,
    /\n2 .* mix install web --yes\n {2}\+ lib 1\n {2}\+ web 2\n/,
  )
})

test('an older version is installed where it is asked for, and upgraded later', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  await mix('install', 'web<2', '--yes')
  t.is((await mix('list', '--outdated')).stdout, 'web  1  ->  2\n')
  t.regex((await mix('upgrade', '--yes')).stdout, /^upgrade {2}web 1 -> 2\n/)
})

test('another build of the same version is outdated too, since an upgrade takes it', async t => {
  const { mix, machine } = await setUp(t)
  const lib = await addPackage(machine.store, 'lib', { tree: { 'share/lib': 'an older build' } })
  const [base] = installedIn(machine.store, currentGeneration(machine.store).path)
  const profile = await profileOf(machine.store, base ? [base.path, lib] : [], ['lib'])
  await transition(machine, profile, { ...watching(), made: { at: 1, user: 'root', command: [] } })
  await mix('update')
  t.is((await mix('list', '--outdated')).stdout, 'lib  1  ->  1 (rebuilt)\n')
  t.like(JSON.parse((await mix('list', '--outdated', '--json')).stdout), {
    packages: [{ name: 'lib', installed: '1', newest: '1', isRebuilt: true }],
  })
  t.regex((await mix('upgrade', '--yes')).stdout, /^rebuild {2}lib 1 -> 1\n/)
  t.is((await mix('list', '--outdated')).stdout, '')
})

test('mix upgrades itself, beside the system', async t => {
  const { mix, machine } = await setUp(t)
  const { store } = machine
  const directory = join(store.layout.profiles, 'mix')
  store.host.files.makeDirectory(directory)
  symlinkSync(store.hostPath(await ownIn(store, '1')), join(directory, '1'))
  symlinkSync('1', join(directory, 'current'))
  await mix('update')
  t.regex((await mix('list', '--outdated')).stdout, /^mix +1 +-> +2$/m)
  const upgraded = await mix('upgrade', '--yes')
  t.regex(upgraded.stdout, /^upgrade {2}mix 1 -> 2\ngeneration 1 is current; fetched \d+ bytes\n$/)
  t.regex((await mix('list')).stdout, /^base +1 .*\nmix +2 .*\n$/)
  t.is((await mix('upgrade', 'mix', '--yes')).stdout, 'nothing to do\n')
  t.is((await mix('remove', 'mix', '--yes')).code, 2)
})

test('install --dry-run prints the plan, and changes nothing', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  const { stdout } = await mix('install', 'web', '--dry-run')
  t.regex(
    stdout,
    /^install {2}lib 1\ninstall {2}web 2\n2 objects to fetch: at most \d+ bytes, \d+ bytes on disk\n$/,
  )
  const { toFetch } = JSON.parse((await mix('install', 'web', '--dry-run', '--json')).stdout)
  t.is(toFetch.objects, 2)
  t.true(toFetch.download > 0 && toFetch.size > 0)
  t.regex((await mix('list')).stdout, /^base +1 .*\n$/)
})

test('without an answer to the question, nothing is changed', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  const { code, stderr } = await mix('install', 'web')
  t.is(code, 2)
  t.regex(stderr, /nobody can be asked/)
})

test('a dry run waits for nobody, and anyone may make one', async t => {
  const { mix, machine } = await setUp(t)
  await mix('update')
  const collecting = await storeLock(machine.store, 'store')
  t.regex((await mix('install', 'web', '--dry-run')).stdout, /^install {2}lib 1\n/)
  collecting.release()
})

test('what only root may do is told so, in the words of the system', async t => {
  const { machine } = await setUp(t)
  const { files } = machine.store.host
  files.makeDirectory(join(machine.root, 'etc/service/web'))
  files.makeDirectory(join(machine.root, 'run/service/web/supervise'))
  const program = join(import.meta.dirname, '../helpers/mix-as-user.ts')
  const { code, stderr } = await run(machine, ['service', 'restart', 'web'], { program })
  t.is(code, 1)
  t.regex(
    stderr,
    /^error: only root can do that: permission denied, \S+ '.*supervise.*'\n *hint: run it as root\n/,
  )
})

test('an unknown package is named, with the nearest name', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  const { code, stderr } = await mix('install', 'wbe', '--yes')
  t.is(code, 1)
  t.regex(stderr, /error: .*"?wbe"?/)
  t.regex(stderr, /web/)
})

test('a range that nothing satisfies is explained', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  const { code, stderr } = await mix('install', 'web>=3', '--yes')
  t.is(code, 1)
  t.regex(stderr, /web/)
})

test('an index that somebody else signed is refused, and what was known stays', async t => {
  const { mix, machine } = await setUp(t)
  await mix('update')
  const other = await repositoryOf(t, 'other')
  useRepository(machine, { url: other.directory })
  const { code, stderr } = await mix('update')
  t.is(code, 1)
  t.regex(stderr, /warning: /)
  t.regex((await mix('search', 'server')).stdout, /^web/)
})

test('a repository that says not whom to believe is none, nor are two of one name', async t => {
  const { mix, machine } = await setUp(t)
  const root = '/etc/mix/team.root.json'
  const web = { name: 'web', url: 'http://localhost:1' }
  const cases: [object[], RegExp][] = [
    [[web], /web has no root, which says whom to believe\n/],
    [
      [
        { ...web, root },
        { ...web, root },
      ],
      /web is the name of two repositories\n/,
    ],
    [[{ name: 'medium', url: '/medium' }], /medium: its index did not come with the system\n/],
  ]
  for (const [list, message] of cases) {
    writeFileSync(join(machine.root, 'etc/mix/repositories.json'), JSON.stringify(list))
    const { code, stderr } = await mix('update')
    t.is(code, 1)
    t.regex(stderr, message)
  }
})

test('who asks about a package that is not installed is told how to install it', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  for (const command of ['files', 'why', 'upgrade']) {
    const { code, stderr } = await mix(command, 'web')
    t.is(code, 1)
    t.is(stderr, 'error: web is not installed\nhint: install it with: mix install web\n')
  }
})

test('files and owner lead from a package to its files and back', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  await mix('install', 'web', '--yes')
  t.regex((await mix('files', 'web')).stdout, /^\/mix\/store\/[0-9a-z]{32}-web-1\/bin\/web\n/)
  const { code, stderr } = await mix('owner', '/bin/sh')
  t.is(code, 1)
  t.regex(stderr, /belongs to no installed package|there is no/)
})

test('going back needs no program of the system, and no store that can be written to', async t => {
  const { mix, machine } = await setUp(t)
  await mix('update')
  await mix('install', 'web', '--yes')
  const sealed = (...args: string[]) =>
    run(machine, args, { program: join(import.meta.dirname, '../helpers/mix-on-sealed-store.ts') })
  t.is((await sealed('rollback')).stdout, 'generation 1 is current: 1 package\n')
  t.is((await sealed('recover')).stdout, 'generation 1 is current\n')
  t.regex((await sealed('gc')).stderr, /cannot run \/bin\/unshare\n[\s\S]*hint: .* mix rollback\n/)
})

test('two packages with one file are refused by name, with the way out; without asking, where they are here', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  await mix('install', 'other', '--yes')
  const refused =
    'error: other 1 and rival 1 both bring bin/other\n' +
    'hint: leave the other one out, or remove other with: mix remove other\n'
  const late = await mix('install', 'rival', '--yes')
  t.is(late.code, 1)
  t.true(late.stderr.endsWith(refused), late.stderr)
  t.is((await mix('install', 'rival', '--dry-run')).stderr, refused)
})

test('gc forgets old generations where that is wanted, and deletes what they needed', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  await mix('install', 'web', '--yes')
  await mix('remove', 'web', '--yes')
  t.regex((await mix('gc')).stdout, /^deleted 0 objects/)
  t.regex((await mix('gc', '--keep', '1')).stdout, /^deleted 2 generations and \d+ objects/)
  t.is((await mix('verify')).code, 0)
  t.is((await mix('rollback')).code, 1)
})

test('what is damaged or lost is fetched anew from who offers it, and the rest is named', async t => {
  const { mix, machine } = await setUp(t)
  await mix('update')
  await mix('install', 'web', '--yes')
  const { store } = machine
  const pathOf = (label: string): StorePath =>
    store.paths().find(path => path.endsWith(label)) as StorePath
  const [web, lib, base] = [pathOf('-web-1'), pathOf('-lib-1'), pathOf('-base-1')]
  cutShort(join(store.hostPath(web), 'bin/web'))
  removeTree(store.host, store.hostPath(lib))
  t.is((await mix('verify')).code, 1)
  const repaired = await mix('verify', '--repair')
  t.is(repaired.code, 0, repaired.stdout + repaired.stderr)
  t.regex(repaired.stdout, /^repaired \S+\nrepaired \S+\n\d+ objects checked: all is well\n$/)
  t.is(readFileSync(join(store.hostPath(web), 'bin/web'), 'utf8'), 'team 2')

  cutShort(join(store.hostPath(base), 'bin/base'))
  const { code, stdout } = await mix('verify', '--repair')
  t.is(code, 1)
  t.regex(stdout, /base-1: bin\/base: expected .*\n.*1 problem found\nno repository/)
})

test('history tells what each change started from, and who went back', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  await mix('install', 'web', '--yes')
  await mix('rollback')
  await mix('install', 'other', '--yes')
  t.is((await mix('rollback')).stdout, 'generation 1 is current: 1 package\n')
  const { stdout } = await mix('history')
  t.deepEqual(stdout.replaceAll(/ [0-9-]{10} +[0-9:]{8}/g, '').split('\n'), [
    '1 the image',
    '  + base 1',
    '2 alice: mix install web --yes',
    '  + lib 1',
    '  + web 2',
    '1 alice: mix rollback',
    '  - lib 1',
    '  - web 2',
    '3 alice: mix install other --yes',
    '  + other 1',
    '1 alice: mix rollback',
    '  - other 1',
    '',
  ])
  await mix('gc', '--keep', '1')
  const { history } = JSON.parse((await mix('history', '--json')).stdout)
  t.like(history[2], { generation: 1, from: 2, user: 'alice', command: ['rollback'] })
  t.deepEqual(history[1].changes, {
    added: [
      { name: 'lib', version: '1' },
      { name: 'web', version: '2' },
    ],
    removed: [],
    replaced: [],
  })
})

test('an older generation without its record is listed, found by verify and mended, and blocks no change', async t => {
  const { mix, machine } = await setUp(t)
  const { store } = machine
  const first = currentGeneration(store).path
  await mix('update')
  await mix('install', 'web', '--yes')
  store.host.files.unlink(store.layout.record(digestOfPath(first)))
  t.is((await mix('install', 'other', '--yes')).code, 0)
  t.regex((await mix('generations')).stdout, /^1 +damaged +the image\n2 +3 packages/)
  t.regex(
    (await mix('history')).stdout,
    /^1 the image\n {2}\(what it changed is not known any more\)\n/,
  )
  t.regex((await mix('gc')).stderr, /hint: repair it with: mix verify --repair\n/)
  t.regex(
    (await mix('verify')).stdout,
    /profiles\/system\/1: it leads to \S+-system-1, which is not in/,
  )
  t.is((await mix('verify', '--repair')).code, 0)
  t.is((await mix('rollback', '1')).code, 0)
})

test('a repair waits for a collection, which would delete what it fetches', async t => {
  const { mix, machine } = await setUp(t)
  await mix('update')
  await mix('install', 'web', '--yes')
  const web = machine.store.paths().find(path => path.endsWith('-web-1')) as StorePath
  const file = join(machine.store.hostPath(web), 'bin/web')
  cutShort(file)
  const { size } = statSync(file)
  const collecting = await storeLock(machine.store, 'store')
  const onText = (text: string): void => {
    if (!text.includes('waiting for a garbage collection')) return
    t.is(statSync(file).size, size)
    collecting.release()
  }
  const repaired = await run(machine, ['verify', '--repair'], { onText })
  t.is(repaired.code, 0, repaired.stderr)
  t.regex(repaired.stderr, /waiting for a garbage collection/)
  t.true(statSync(file).size > size)
})

test('what a package in a file refers to is fetched from who offers it', async t => {
  const { mix, machine } = await setUp(t)
  const file = join(memoryDirectory(t), 'app.mixpkg')
  const store = tempStore(t)
  const lib = await addPackage(store, 'lib', { tree: { 'share/lib': 'team' } })
  const app = await addPackage(store, 'app', {
    tree: { 'bin/app': { symlink: `/mix/store/${lib}/share/lib` } },
    references: [lib],
  })
  await writeMixpkg({
    ...{ store, inputs: { package: app }, target: file, mirrors: {} },
    ...{ derivation: filesStep('app', {}), signal: watching().signal },
    onProgress: () => undefined,
    warn: () => undefined,
    log: () => undefined,
  })
  const alone = await mix('install', file, '--yes')
  t.is(alone.code, 1)
  t.regex(alone.stderr, /app needs \S+-lib-1, which is neither in the package nor in the store/)

  await mix('update')
  t.regex((await mix('install', file, '--dry-run')).stdout, /^install {2}app 1\n/)
  t.false(machine.store.has(app))
  const { code, stdout, stderr } = await mix('install', file, '--yes')
  t.is(code, 0, stderr)
  t.regex(stdout, /^install {2}app 1\n/)
  t.true(machine.store.has(lib))
})

test('of two changes at once, both are done', async t => {
  const { mix } = await setUp(t)
  await mix('update')
  const ended = await Promise.all([
    mix('install', 'web', '--yes'),
    mix('install', 'other', '--yes'),
  ])
  t.deepEqual(
    ended.map(({ code }) => code),
    [0, 0],
    ended.map(({ stderr }) => stderr).join(),
  )
  t.regex((await mix('list')).stdout, /other[\s\S]*web/)
})

test('where there is no profile, that is said', async t => {
  const root = memoryDirectory(t)
  const { code, stderr } = await run(machineAt(root), ['list'])
  t.is(code, 1)
  t.regex(stderr, /^error: .*current leads to no generation\n/)
})

async function setUp(t: ExecutionContext) {
  const machine = await newMachine(t, async store => [
    await addPackage(store, 'base', { tree: { 'bin/base': { executable: 'base' } } }),
  ])
  const { directory } = await repositoryOf(t, 'team')
  machine.store.host.files.makeDirectory(join(machine.root, 'etc/mix'))
  writeFileSync(
    join(machine.root, 'etc/mix/team.root.json'),
    readFileSync(join(directory, 'tuf/root.json')),
  )
  useRepository(machine, { url: directory })
  const mix = (...args: string[]): Promise<CliResult> => run(machine, args)
  return { machine, mix }
}

function useRepository({ root }: Machine, { url }: { url: string }): void {
  const list = [{ name: 'team', url, root: '/etc/mix/team.root.json' }]
  writeFileSync(join(root, 'etc/mix/repositories.json'), JSON.stringify(list))
}

/** A signed repository with a library and two versions of a server. */
async function repositoryOf(t: ExecutionContext, name: string): Promise<{ directory: string }> {
  const directory = memoryDirectory(t)
  const store = tempStore(t)
  const keys = keysOf(name === 'team' ? 'a' : 'b')
  await published(store, directory, await packagesIn(store, name), { keys, now: Date.now() })
  return { directory }
}

async function packagesIn(store: Store, name: string): Promise<StorePath[]> {
  const web = (version: string): Promise<StorePath> =>
    addPackage(store, 'web', {
      version,
      description: 'a web server',
      dependencies: ['lib'],
      config: ['web.conf'],
      tree: { 'bin/web': { executable: `${name} ${version}` }, 'etc/web.conf': 'port 80\n' },
    })
  const tree = { 'share/lib': name }
  return [
    await addPackage(store, 'lib', { tree }),
    await web('1'),
    await web('2'),
    await addPackage(store, 'other', { tree: { 'bin/other': name } }),
    await addPackage(store, 'rival', { tree: { 'bin/other': 'mine' } }),
    await ownIn(store, '2'),
  ]
}

const ownIn = (store: Store, version: string): Promise<StorePath> =>
  addPackage(store, 'mix', { version, tree: { 'bin/mix': { executable: '#!/bin/sh\n' } } })

interface RunOptions {
  readonly program?: string
  /** Called with what goes to stderr. */
  readonly onText?: (text: string) => void
}

function run(
  { store }: Machine,
  args: readonly string[],
  { program = PROGRAM, onText = () => undefined }: RunOptions = {},
): Promise<CliResult> {
  const env = { PATH: process.env.PATH, MIX_ROOT: store.directory, USER: 'alice', NO_COLOR: '1' }
  return new Promise(resolve => {
    const child = execFile(
      process.execPath,
      [program, ...args],
      { env },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
      },
    )
    child.stderr?.on('data', onText)
    child.stdin?.end()
  })
}
