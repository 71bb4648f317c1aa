import { execFile } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { homeOf, project } from '../../cli/context.ts'
import { formatPackageInfo, packageInfoPath, parsePackageInfo } from '../../graph/package-info.ts'
import { absolute, digestOfPath, labelOfPath, type StorePath } from '../../graph/store-path.ts'
import { makeRepository } from '../../store/builtins/repository.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { BUBBLEWRAP } from '../../store/sandbox/tools.ts'
import { openStore } from '../../store/store.ts'
import { ownPackage } from '../../store/target/mix-itself.ts'
import { offer } from '../helpers/container.ts'
import { sandboxTools } from '../helpers/sandbox-tools.ts'
import { machineIn } from '../helpers/target-machine.ts'
import { addTree, cutShort, filesStep, tempDirectory, tempStore } from '../helpers/temp-store.ts'

const run = promisify(execFile)
const mixos = (...args: string[]) =>
  run(process.execPath, ['cli/mixos.ts', ...args], { cwd: project })

// One that is there already is not built again.
const { stdout } = await mixos('realize', 'mix')
const object = basename(stdout.trim()) as StorePath
const home = homeOf(process.env, process.cwd())
const program = `/mix/store/${object}/bin/mix`

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `mix` where there is nothing but its object, the kernel's files and what is bound. */
async function mix(args: readonly string[], bound: readonly string[] = []): Promise<Ended> {
  const { bubblewrap } = await sandboxTools()
  const [loader = '', ...starting] = BUBBLEWRAP
  const machine = [
    ...['--unshare-all', '--die-with-parent', '--clearenv', '--tmpfs', '/', '--proc', '/proc'],
    ...['--dev', '/dev', '--ro-bind', join(home, 'store', object), `/mix/store/${object}`],
    ...['--symlink', program, '/bin/mix', ...bound],
  ]
  const command = [...starting, ...machine, '/bin/mix', ...args]
  return run(loader, command, { cwd: bubblewrap }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Ended) => error,
  )
}

const storeAt = (directory: string): string[] => [
  ...['--bind', directory, '/machine', '--setenv', 'MIX_ROOT', '/machine'],
]

test.serial('mix is the same bytes when built again', async t => {
  await t.notThrowsAsync(mixos('realize', 'mix', '--check'))
})

test.serial('mix refers to nothing but itself, and runs where there is nothing else', async t => {
  const { stdout } = await mixos('closure', object)
  t.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map(path => basename(path)),
    [object],
  )
  t.like(await mix(['--version']), { code: 0, stdout: '0.1.0\n', stderr: '' })
})

test.serial('mix answers a wrong command with the nearest one', async t => {
  const { code, stderr } = await mix(['verfy'])
  t.is(code, 2)
  t.regex(stderr, /^error: unknown command "verfy"\nhint: did you mean verify\?/)
})

test.serial('mix makes a store, and finds nothing wrong with one that is as it was', async t => {
  const store = await smallStore(t)
  t.like(await mix(['verify'], storeAt(store.directory)), {
    code: 0,
    stdout: '2 objects checked: all is well\n',
  })
  t.like(await mix(['verify'], storeAt(tempDirectory(t))), {
    code: 0,
    stdout: '0 objects checked: all is well\n',
  })
})

test.serial('mix verify finds a damaged file', async t => {
  const store = await smallStore(t)
  const [path] = store.paths()
  if (path) cutShort(join(store.hostPath(path), 'file'))
  const { code, stdout } = await mix(['verify', '--json'], storeAt(store.directory))
  t.is(code, 1)
  const { checked, problems } = JSON.parse(stdout)
  t.is(checked, 2)
  t.is(problems.length, 1)
  t.is(problems[0].path, path && absolute(path))
})

for (const [what, byte] of [
  ['file', undefined],
  ['byte', 2 ** 48 - 1],
] as const)
  test.serial(
    `mix sees the locks of a ${what} that other programs hold, and they see mix's`,
    async t => {
      const directory = tempDirectory(t)
      const probe = `
    import { bunHost } from '/sources/store/hosts/bun.ts'
    const open = () => bunHost.files.open('/machine/lock', 'read-write')
    const [one, other] = [open(), open()]
    const tries = [
      bunHost.files.tryLock(one, 'exclusive', ${byte}),
      bunHost.files.tryLock(other, 'shared', ${byte}),
    ]
    bunHost.files.close(one)
    tries.push(bunHost.files.tryLock(other, 'shared', ${byte}), bunHost.files.tryLock(open(), 'shared', ${byte}))
    try {
      bunHost.files.tryLock(999, 'shared', ${byte})
    } catch (error) {
      tries.push(error.code)
    }
    console.log(JSON.stringify(tries))
  `
      writeFileSync(join(directory, 'probe.ts'), probe)
      // The runtime in it can also be asked to run a program.
      const bound = [
        ...[...storeAt(directory), '--setenv', 'BUN_BE_BUN', '1'],
        ...['graph', 'store'].flatMap(name => [
          '--ro-bind',
          join(project, name),
          `/sources/${name}`,
        ]),
      ]
      const tries = async (): Promise<unknown> => {
        const { stdout, stderr } = await mix(['/machine/probe.ts'], bound)
        return stdout === '' ? stderr : JSON.parse(stdout)
      }
      t.deepEqual(await tries(), [true, false, true, true, 'EBADF'])
      const held = nodeHost.files.open(join(directory, 'lock'), 'read-write')
      t.teardown(() => nodeHost.files.close(held))
      t.true(nodeHost.files.tryLock(held, 'exclusive', byte))
      t.deepEqual(await tries(), [false, false, false, false, 'EBADF'])
    },
  )

test.serial(
  'mix replaces itself by what a repository offers, and the next command is its',
  async t => {
    const machine = await machineIn(tempDirectory(t), async () => [])
    const { root, store } = machine
    const older = await store.add({
      source: await olderMix(t),
      // It names its own files by their whole path.
      label: labelOfPath(object),
      self: digestOfPath(object),
      candidates: new Map(),
      maker: 'the test',
    })
    const links = join(store.layout.profiles, 'mix')
    mkdirSync(links)
    symlinkSync(store.hostPath(older), join(links, '1'))
    symlinkSync('1', join(links, 'current'))
    const repository = join(tempDirectory(t), 'repository')
    await makeRepository({
      ...{ store: openStore({ directory: home, host: nodeHost }), inputs: { mix: object } },
      ...{ target: repository, derivation: filesStep('repository', {}), mirrors: {} },
      ...{
        signal: new AbortController().signal,
        onProgress: () => undefined,
        warn: () => undefined,
        log: () => undefined,
      },
    })
    offer(machine, repository)

    const { bubblewrap } = await sandboxTools()
    const [loader = '', ...starting] = BUBBLEWRAP
    const inside = async (...args: string[]): Promise<string> => {
      const bound = [
        ...['--unshare-all', '--die-with-parent', '--clearenv', '--proc', '/proc', '--dev', '/dev'],
        ...['--bind', store.directory, '/mix', '--bind', root, root],
        ...['--bind', join(root, 'etc'), '/etc', '--bind', join(root, 'var'), '/var'],
        ...['--ro-bind', repository, repository],
      ]
      const program = '/mix/profiles/mix/current/bin/mix'
      const command = [...starting, ...bound, program, ...args]
      return (await run(loader, command, { cwd: bubblewrap })).stdout
    }
    t.regex(await inside('list'), /^mix +0\.0\.1 /)
    t.regex(await inside('upgrade', '--yes'), /^upgrade {2}mix 0\.0\.1 -> 0\.1\.0\n/)
    t.regex(await inside('list'), /^mix +0\.1\.0 /)
    t.is(ownPackage(store)?.path, object)
  },
)

/** The same program, which says that it is of another version. */
async function olderMix(t: ExecutionContext): Promise<string> {
  const copy = join(tempDirectory(t), 'mix')
  cpSync(join(home, 'store', object), copy, { recursive: true, verbatimSymlinks: true })
  for (const path of ['', 'share', 'share/mix', 'share/mix/packages'])
    chmodSync(join(copy, path), 0o755)
  const at = join(copy, packageInfoPath('mix'))
  const info = parsePackageInfo(JSON.parse(readFileSync(at, 'utf8')), at)
  rmSync(at)
  writeFileSync(at, formatPackageInfo({ ...info, version: '0.0.1' }))
  return copy
}

async function smallStore(t: ExecutionContext) {
  const store = tempStore(t)
  await addTree(store, 'one', { tree: { file: 'one', link: { symlink: 'file' } } })
  await addTree(store, 'two', { tree: { file: 'two', 'bin/run': { executable: 'x' } } })
  return store
}
