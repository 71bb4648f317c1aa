import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Place, type PlaceOptions, place } from '../helpers/run-cli.ts'

const project = join(import.meta.dirname, '..', '..')

// Packages that the tool writes itself: no sandbox, no network.
const RECIPES = `
import { textFiles } from 'mixos'
export const greeting = textFiles({ name: 'greeting', version: '1', files: { text: 'hello' } })
export const farewell = textFiles({ name: 'farewell', version: '1', files: { text: 'bye' } })
`

function placeWithRecipes(t: ExecutionContext, options?: PlaceOptions): Place {
  const user = place(t, options)
  writeFileSync(join(user.directory, 'mine.ts'), RECIPES)
  return user
}

const FILE = ['-f', 'mine.ts']

test('realize prints store paths, links artifacts/NAME, and does nothing the second time', async t => {
  const { directory, home, mixos } = placeWithRecipes(t)
  const first = await mixos('realize', 'greeting', ...FILE)
  t.is(first.code, 0)
  const path = first.stdout.trim()
  t.true(path.startsWith(join(home, 'store')))
  t.is(readFileSync(join(path, 'text'), 'utf8'), 'hello')
  t.is(readlinkSync(join(directory, 'artifacts', 'greeting')), path)
  t.regex(first.stderr, /^building greeting-1\nbuilt greeting-1 in \d+\.\d s\n$/)

  t.deepEqual(await mixos('realize', 'greeting', ...FILE), {
    code: 0,
    stdout: first.stdout,
    stderr: '',
  })
})

test('realize --json prints one record with hash, paths and link', async t => {
  const { directory, mixos } = placeWithRecipes(t)
  const { code, stdout } = await mixos('realize', 'greeting', 'farewell', '--json', ...FILE)
  t.is(code, 0)
  const { packages } = JSON.parse(stdout)
  t.deepEqual(Object.keys(packages), ['greeting', 'farewell'])
  t.regex(packages.greeting.derivation, /^[0-9a-f]{64}$/)
  t.regex(packages.greeting.outputs.out.path, /^\/mix\/store\/\w{32}-greeting-1$/)
  t.is(packages.farewell.link, join(directory, 'artifacts', 'farewell'))
})

test('realize --out-link places the link where it says, and what is linked is a root', async t => {
  const { directory, mixos } = placeWithRecipes(t)
  const { stdout } = await mixos('realize', 'greeting', '--out-link', 'here/result', ...FILE)
  const link = join(directory, 'here', 'result')
  t.is(readlinkSync(link), stdout.trim())
  t.false(existsSync(join(directory, 'artifacts')))
  t.is((await mixos('roots')).stdout, `${link} -> ${stdout.trim()}\n`)
})

test('realize --out-link leaves a file that is in its place alone', async t => {
  const { directory, mixos } = placeWithRecipes(t)
  writeFileSync(join(directory, 'result'), 'precious')
  const { code, stderr } = await mixos('realize', 'greeting', '--out-link', 'result', ...FILE)
  t.is(code, 1)
  t.regex(stderr, /result exists and is not a link/)
  t.is(readFileSync(join(directory, 'result'), 'utf8'), 'precious')
})

test('realize --out-link leaves a link to something else alone', async t => {
  const { directory, mixos } = placeWithRecipes(t)
  symlinkSync('/precious', join(directory, 'result'))
  const { code, stderr } = await mixos('realize', 'greeting', '--out-link', 'result', ...FILE)
  t.is(code, 1)
  t.regex(stderr, /result is a link to \/precious, which is no object of a store/)
  t.is(readlinkSync(join(directory, 'result')), '/precious')
})

test('realize --out-link makes no link in the store itself', async t => {
  const { home, mixos } = placeWithRecipes(t)
  const link = join(home, 'store', 'new', 'result')
  const { code, stderr } = await mixos('realize', 'greeting', '--out-link', link, ...FILE)
  t.is(code, 1)
  t.regex(stderr, /result lies in the store itself/)
  t.false(existsSync(join(home, 'store', 'new')))
})

test('with --keep-going, what was made is linked and all that failed is in the record', async t => {
  const { directory, mixos } = placeWithRecipes(t)
  const more = ['first', 'second'].map(
    name =>
      `export const ${name} = derivation({ name: '${name}', version: '1', builder: ['builtin:no-such'] })\n`,
  )
  const recipes = RECIPES.replace('textFiles }', 'derivation, textFiles }')
  writeFileSync(join(directory, 'mine.ts'), recipes + more.join(''))
  const names = ['first', 'greeting', 'second', 'farewell']
  const { code, stdout } = await mixos('realize', ...names, '--keep-going', '--json', ...FILE)
  t.is(code, 1)
  const { error, failed } = JSON.parse(stdout)
  t.is(error.code, 'DERIVATION_INVALID')
  t.deepEqual(failed.map(({ label }: { label: string }) => label).sort(), ['first-1', 'second-1'])
  t.deepEqual(readdirSync(join(directory, 'artifacts')).sort(), ['farewell', 'greeting'])
})

test('the log of a step that mixos takes itself says so', async t => {
  const { mixos } = placeWithRecipes(t)
  await mixos('realize', 'greeting', ...FILE)
  t.is(
    (await mixos('log', 'greeting', ...FILE)).stdout,
    'mixos itself takes this step: builtin:files\n',
  )
})

test('what the disk refuses is told, and is no bug', async t => {
  const { home, mixos } = placeWithRecipes(t)
  await mixos('realize', 'greeting', ...FILE)
  const [name = ''] = readdirSync(join(home, 'log'))
  unlinkSync(join(home, 'log', name))
  mkdirSync(join(home, 'log', name))
  const { code, stderr } = await mixos('log', 'greeting', ...FILE)
  t.is(code, 1)
  t.regex(
    stderr,
    /^error: illegal operation on a directory.*\nhint: something else is in its place/,
  )
})

test('realize --dry-run prints the plan and changes nothing', async t => {
  const { directory, home, mixos } = placeWithRecipes(t)
  const { code, stdout } = await mixos('realize', 'iso', 'greeting', '--dry-run', ...FILE)
  t.is(code, 0)
  t.regex(stdout, /^build {2}toolchain-/m)
  t.regex(stdout, /^build {2}mixos\.iso-/m)
  t.regex(stdout, /^\d+ steps to build, \d+ to fetch, 0 to reuse$/m)
  t.false(existsSync(home))
  t.false(existsSync(join(directory, 'artifacts')))
})

test('realize --check says that nothing differs, beside the same result', async t => {
  const { mixos } = placeWithRecipes(t)
  const { stdout } = await mixos('realize', 'greeting', 'farewell', ...FILE)
  const checked = await mixos('realize', 'greeting', 'farewell', '--check', ...FILE)
  t.is(checked.stdout, stdout)
  t.regex(checked.stderr, /^2 outputs made once more, without a difference$/m)
})

test('an unknown package is named, with the nearest name', async t => {
  const { code, stdout, stderr } = await place(t).mixos('realize', 'busyboxx')
  t.is(code, 1)
  t.is(stdout, '')
  t.regex(stderr, /^error: unknown package "busyboxx"\nhint: did you mean busybox\?/)
})

test('an unknown package may be one of a recipe file that was not named', async t => {
  const { mixos } = placeWithRecipes(t)
  t.regex(
    (await mixos('realize', 'greeting')).stderr,
    /\nhint: if a recipe file defines it, name that with -f FILE\n$/,
  )
  t.regex(
    (await mixos('explain', 'hello.world', ...FILE)).stderr,
    /\nhint: mine\.ts defines: farewell, greeting\n$/,
  )
})

test('with --json a failure is a record too', async t => {
  const { code, stdout } = await place(t).mixos('realize', 'isoo', '--json')
  t.is(code, 1)
  t.is(JSON.parse(stdout).error.code, 'NAME_UNKNOWN')
})

test('gc --dry-run names what gc then deletes, and roots stay', async t => {
  const { directory, mixos } = placeWithRecipes(t)
  const [kept, dropped] = (await mixos('realize', 'greeting', 'farewell', ...FILE)).stdout
    .trim()
    .split('\n')
  unlinkSync(join(directory, 'artifacts', 'farewell'))
  const planned = await mixos('gc', '--dry-run')
  t.is(planned.code, 0)
  t.true(planned.stdout.startsWith(`${dropped}\n`))
  t.regex(planned.stdout, /^would delete 1 object of 3 bytes/m)
  t.true(existsSync(dropped ?? ''))
  t.regex((await mixos('gc')).stdout, /^deleted 1 object of 3 bytes/)
  t.false(existsSync(dropped ?? ''))
  t.true(existsSync(kept ?? ''))
})

test('verify finds a changed file and exits with 1', async t => {
  const { mixos } = placeWithRecipes(t)
  const path = (await mixos('realize', 'greeting', ...FILE)).stdout.trim()
  t.deepEqual(await mixos('verify'), {
    code: 0,
    stdout: '1 object checked: all is well\n',
    stderr: '',
  })
  chmodSync(path, 0o755)
  unlinkSync(join(path, 'text'))
  chmodSync(path, 0o555)
  const { code, stdout } = await mixos('verify')
  t.is(code, 1)
  t.regex(stdout, /-greeting-1: text: is missing\n1 object checked: \d problems? found\n$/)
})

test('verify --drop deletes what is damaged, and a realization then makes it again', async t => {
  const { home, mixos } = placeWithRecipes(t)
  const paths = (await mixos('realize', 'greeting', 'farewell', ...FILE)).stdout.trim().split('\n')
  const damaged = join(paths[0] ?? '', 'text')
  chmodSync(damaged, 0o644)
  writeFileSync(damaged, 'jello')
  const traces = join(home, 'db', 'traces')
  truncateSync(join(traces, readdirSync(traces).at(0) ?? ''), 10)
  const found = await mixos('verify')
  t.is(found.code, 1)
  t.regex(found.stdout, /text: expected b3:\w+, got b3:\w+; expected mtime 1/)
  t.is(found.stderr, 'delete what is damaged with --drop, then realize what needs it again\n')

  t.is((await mixos('verify', '--drop')).code, 1)
  const dropped = await mixos('verify')
  t.regex(
    dropped.stdout,
    /artifacts\/greeting: it leads to \S+, which is not in the store\n1 object/,
  )
  t.is(dropped.stderr, 'realize again what is missing\n')
  t.is((await mixos('realize', 'greeting', 'farewell', ...FILE)).stdout.trim(), paths.join('\n'))
  t.is(readFileSync(damaged, 'utf8'), 'hello')
  t.is((await mixos('verify')).stdout, '2 objects checked: all is well\n')
})

test('realize --check finds what was damaged on the disk', async t => {
  const { mixos } = placeWithRecipes(t)
  const path = (await mixos('realize', 'greeting', ...FILE)).stdout.trim()
  chmodSync(join(path, 'text'), 0o644)
  writeFileSync(join(path, 'text'), 'jello')
  const { code, stderr } = await mixos('realize', 'greeting', '--check', ...FILE)
  t.is(code, 1)
  t.regex(
    stderr,
    /what was here is damaged:\n.*-greeting-1: text: expected b3:.*\nhint: .*verify --drop/,
  )
})

test('a link that nothing can hold is told of as such, and is no bug', async t => {
  const { mixos } = placeWithRecipes(t)
  const { code, stderr } = await mixos('realize', 'greeting', '--out-link', '/proc/x', ...FILE)
  t.is(code, 1)
  t.regex(stderr, /cannot make the link \/proc\/x/)
})

test('a home that is a file is told of by every command', async t => {
  const { directory, home, mixos } = placeWithRecipes(t)
  writeFileSync(home, '')
  for (const command of [['roots'], ['realize', 'greeting', '--dry-run', ...FILE]]) {
    const { code, stderr } = await mixos(...command)
    t.is(code, 1)
    t.regex(stderr, new RegExp(`^error: ${home} is not a directory`), directory)
  }
})

test('what cannot be started is told of before anything is realized', async t => {
  const { home, mixos } = place(t)
  for (const [args, message] of [
    [['busybox'], /^error: busybox is not an image: it is a package/],
    [['iso', '--keep', 'my.disk'], /^error: --keep is for a disk, and iso is a CD/],
    [['disk', '--keep', 'nowhere/my.disk'], /^error: --keep .*: there is no directory .*nowhere/],
  ] as const) {
    const { code, stderr } = await mixos('boot', ...args)
    t.is(code, 1)
    t.regex(stderr, message)
  }
  t.deepEqual(existsSync(home) ? readdirSync(join(home, 'store')) : [], [])
})

test('verify finds a trace that was cut short, and names it', async t => {
  const { home, mixos } = placeWithRecipes(t)
  await mixos('realize', 'greeting', ...FILE)
  const traces = join(home, 'db', 'traces')
  const [name = ''] = readdirSync(traces)
  truncateSync(join(traces, name), 10)
  const { code, stdout } = await mixos('verify')
  t.is(code, 1)
  t.regex(stdout, new RegExp(`^${join(traces, name)}: it is not JSON`))
})

test('records name objects by their whole store paths', async t => {
  const { directory, mixos } = placeWithRecipes(t)
  const record = async (...args: string[]) => JSON.parse((await mixos(...args, '--json')).stdout)
  const { packages } = await record('realize', 'greeting', ...FILE)
  const { path } = packages.greeting.outputs.out
  t.regex(path, /^\/mix\/store\//)
  const { plan } = await record('realize', 'greeting', '--dry-run', ...FILE)
  t.deepEqual(plan[0].outputs, { out: path })
  t.deepEqual(await record('closure', 'greeting', ...FILE), { paths: [path] })
  t.deepEqual(Object.keys((await record('closure', 'greeting', '--size', ...FILE)).sizes), [path])
  t.deepEqual(await record('roots'), {
    roots: { [join(directory, 'artifacts', 'greeting')]: path },
  })
  unlinkSync(join(directory, 'artifacts', 'greeting'))
  t.deepEqual((await record('gc', '--dry-run')).objects, [path])
})

test('what can only be the path of an object is not taken for the name of a package', async t => {
  const { mixos } = placeWithRecipes(t)
  await mixos('realize', 'greeting', ...FILE)
  const { code, stderr } = await mixos('closure', '/mix/store/nope')
  t.is(code, 1)
  t.regex(stderr, /^error: \/mix\/store\/nope is not an object of the store .*\nhint: /)
})

test('a list of nothing says so to people, and is empty to programs', async t => {
  const { directory, mixos } = placeWithRecipes(t)
  await mixos('realize', 'greeting', ...FILE)
  unlinkSync(join(directory, 'artifacts', 'greeting'))
  t.deepEqual(await mixos('roots'), { code: 0, stdout: '', stderr: 'no link keeps an object\n' })
  t.is((await mixos('cache', 'trust', 'list')).stderr, 'no key is trusted\n')
})

test('closure --size adds up what a package needs', async t => {
  const { mixos } = placeWithRecipes(t)
  await mixos('realize', 'farewell', ...FILE)
  const unknown = await mixos('closure', 'greeting', ...FILE)
  t.is(unknown.code, 1)
  t.regex(
    unknown.stderr,
    /^error: greeting-1 is not in the store\nhint: .*mixos realize greeting -f mine.ts\n/,
  )
  const path = (await mixos('realize', 'greeting', ...FILE)).stdout.trim()
  t.is((await mixos('closure', path, '--size')).stdout, `5 bytes  ${path}\n5 bytes  together\n`)
})

test('where there is no store, what makes nothing says so, and makes none', async t => {
  const { home, mixos } = placeWithRecipes(t)
  for (const command of [['gc'], ['verify'], ['roots'], ['log', 'greeting', ...FILE]]) {
    const { code, stderr } = await mixos(...command)
    t.is(code, 1)
    t.is(stderr.split('\n')[0], `error: there is no store in ${home}`)
  }
  t.is((await mixos('cache', 'info')).stdout, 'no cache is set\n')
  t.false(existsSync(home))
})

test('explain shows every hashed field, and of two packages what differs', async t => {
  const { mixos } = placeWithRecipes(t)
  const one = await mixos('explain', 'greeting', ...FILE)
  t.is(one.code, 0)
  t.regex(one.stdout, /^derivation hash {2,}[0-9a-f]{64}$/m)
  t.regex(one.stdout, /^env\.files = /m)
  const two = await mixos('explain', 'greeting', 'farewell', '--json', ...FILE)
  t.deepEqual(Object.keys(JSON.parse(two.stdout).differing), ['name', 'env.files'])
})

test('graph shows the same steps as a tree, as dot and as JSON', async t => {
  const { mixos } = place(t)
  const [tree, dot, json] = await Promise.all(
    ['tree', 'dot', 'json'].map(format => mixos('graph', 'busybox', '--format', format)),
  )
  t.regex(tree?.stdout ?? '', /^├── seeds-build-13 \(\d+ downloads\)$/m)
  t.regex(dot?.stdout ?? '', /^digraph \{[\s\S]*\[label="toolchain-[\s\S]*\}\n$/)
  const { root, steps } = JSON.parse(json?.stdout ?? '')
  t.is((await mixos('graph', 'busybox', '--json')).stdout, json?.stdout ?? '')
  t.regex(steps[root].label, /^busybox-/)
  t.truthy(steps[steps[root].inputs.toolchain.step])
})

test('why-depends shows the way, and exits with 1 where there is none', async t => {
  const { mixos } = place(t)
  t.regex(
    (await mixos('why-depends', 'iso', 'gcc')).stdout,
    /^mixos\.iso-[\s\S]*── gcc-\S+, as its input gcc\n$/,
  )
  t.is((await mixos('why-depends', 'gcc', 'iso')).code, 1)
})

test('output to a pipe has no escapes, whatever the terminal says of itself', async t => {
  const { mixos } = placeWithRecipes(t, {
    environment: { TERM: 'xterm-256color', COLORTERM: 'truecolor' },
  })
  for (const args of [
    ['--help'],
    ['realize', 'greeting', ...FILE],
    ['realize', 'isoo'],
    ['frob'],
  ]) {
    const { stdout, stderr } = await mixos(...args)
    t.false((stdout + stderr).includes('\x1b'))
  }
})

test('a store directory that is something else is left alone', async t => {
  const user = placeWithRecipes(t)
  mkdirSync(user.home)
  writeFileSync(join(user.home, 'thesis.txt'), '')
  const { code, stderr } = await user.mixos('realize', 'greeting', ...FILE)
  t.is(code, 1)
  t.regex(stderr, /^error: .*\/home is not a store: it holds thesis\.txt\nhint: set MIXOS_HOME/)
})

// A lock belongs to a checkout, so these run a copy of this one.
const locks: [title: string, change: (lock: string) => string | undefined, message: RegExp][] = [
  ['that is not JSON', text => text.slice(0, 500), /^error: flake-free\.lock: it is not JSON: /],
  [
    'without a hash',
    text => text.replace(/"hash":"sha256:\w+"/, '"hash":"md5:00"'),
    /pin \S+: invalid hash "md5:00"/,
  ],
  [
    'of another version',
    text => text.replace('"version": 1', '"version": 7'),
    /its version is 7, this mixos reads version 1/,
  ],
  [
    'that lacks a pin',
    text => text.replace(/^ {4}"musl": .*\n/m, ''),
    /: musl is not pinned\nhint: .*mixos lock update musl/,
  ],
  [
    'that is not there',
    () => undefined,
    /^error: there is no .*flake-free\.lock\nhint: .*mixos lock update/,
  ],
]

for (const [title, change, message] of locks) {
  test(`a lock ${title} is told by name, with what to do`, async t => {
    const checkout = copyOfCheckout(t, change)
    const user = place(t, { program: join(checkout, 'cli', 'launch.js') })
    const { code, stderr } = await user.mixos('realize', 'busybox')
    t.is(code, 1)
    t.regex(stderr, message)
    t.false(existsSync(user.home))
  })
}

function copyOfCheckout(t: ExecutionContext, change: (lock: string) => string | undefined): string {
  const copy = place(t).directory
  for (const name of ['package.json', 'cli', 'configs', 'derivations', 'graph', 'store']) {
    cpSync(join(project, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'))
  const lock = change(readFileSync(join(project, 'flake-free.lock'), 'utf8'))
  if (lock !== undefined) writeFileSync(join(copy, 'flake-free.lock'), lock)
  return copy
}
