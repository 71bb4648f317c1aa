import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { place } from '../helpers/run-cli.ts'

const COMMANDS = [
  'realize',
  'graph',
  'explain',
  'why-depends',
  'closure',
  'log',
  'verify',
  'gc',
  'roots',
  'lock',
  'cache push',
  'cache gc',
  'repo sign',
  'boot',
]

test('without arguments, the program shows its commands and examples', async t => {
  const { code, stdout } = await place(t).mixos()
  t.is(code, 0)
  for (const command of COMMANDS)
    t.regex(stdout, new RegExp(`^- ${command.split(' ')[0]} - \\w`, 'm'))
  t.regex(stdout, /EXAMPLES:/)
})

for (const command of COMMANDS) {
  test(`${command}: --help describes it, with examples, and touches nothing`, async t => {
    const user = place(t)
    const { code, stdout, stderr } = await user.mixos(...command.split(' '), '--help')
    t.is(code, 0)
    t.is(stderr, '')
    t.regex(stdout, /EXAMPLES:\n\n.*\n {2}\$ .*mixos /)
    t.notRegex(stdout, /self explanatory|<str>/)
    t.false(existsSync(user.home))
  })
}

test('--version prints the version alone', async t => {
  t.deepEqual(await place(t).mixos('--version'), { code: 0, stdout: '0.1.0\n', stderr: '' })
})

const wrong: [string[], RegExp][] = [
  [['relize', 'iso'], /^error: unknown command "relize"\nhint: did you mean realize\?/],
  [['realize'], /^error: nothing to realize\nhint: name a package, of: .*busybox, /],
  [
    ['realize', 'iso', '--fast'],
    /^error: unknown option --fast\nhint: see: mixos realize --help\n$/,
  ],
  [
    ['realize', '--dryrun', 'iso'],
    /^error: unknown option --dryrun\nhint: did you mean --dry-run\?/,
  ],
  [['realize', 'iso', '-jobs', '4'], /^error: unknown option -jobs\nhint: did you mean --jobs\?/],
  [['realize', 'iso', '-x'], /^error: unknown option -x\nhint: see: mixos realize --help\n$/],
  [['explain', 'iso', '-fx'], /^error: -f needs a value; unknown option -x\nhint: /],
  [['graph', '--fetchs', 'iso'], /^error: unknown option --fetchs\nhint: did you mean --fetches\?/],
  [
    ['cache', 'push', 'iso', '--too', 'x'],
    /^error: unknown option --too\nhint: did you mean --to\? see: mixos cache push --help\n$/,
  ],
  [
    ['cache', 'trust', 'list', '--jsn'],
    /^error: unknown option --jsn\nhint: did you mean --json\? see: mixos cache trust list --help\n$/,
  ],
  [['cache', 'psuh'], /^error: unknown command "cache psuh"\nhint: did you mean cache push\?/],
  [['lock', 'frobnicate'], /^error: unknown command .*\nhint: commands: check, update\n$/],
  [['lock'], /^error: mixos lock needs a command\nhint: commands: check, update; see: mixos lock/],
  [['cache', 'push', 'iso'], /^error: --to is missing\nhint: see: mixos cache push --help\n$/],
  [['cache', 'push', 'iso', '--to'], /^error: --to needs a value\n/],
  [['--verbose', 'relize'], /^error: unknown command "relize"\nhint: did you mean realize\?/],
  [['realize', 'iso', '--jobs', '0'], /^error: --jobs 0: expected a whole number .* got "0"/],
  [['realize', 'iso', '--cores=-1'], /^error: --cores=-1: expected a whole number .* got "-1"/],
  [['realize', 'iso', '--cores', '1e3'], /got "1e3"/],
  [['realize', 'iso', '--jobs'], /^error: --jobs needs a value/],
  [['realize', 'iso', 'busybox', '--out-link', 'x'], /^error: --out-link is one path/],
  [['graph', 'iso', '--format', 'svg'], /^error: --format svg: .*'tree', 'dot', 'json'/],
  [['graph'], /^error: NAME is missing/],
  [['realize', 'iso', '-v'], /^error: unknown option -v\n/],
  [['cache', 'serve', '.', '--address', ''], /^error: --address needs a value/],
  [['cache', 'serve', '.', '--address='], /^error: --address needs a value/],
  [['explain', 'iso', 'busybox', 'musl'], /^error: unknown argument musl\n/],
  [['boot', '--memory', '1'], /at least 64, got "1"/],
  [
    ['cache', 'trust', 'add', 'alice'],
    /^error: the argument: "alice…" has no NAME.*\nhint: write it as NAME:/,
  ],
  [['cache', 'keygen', 'A B'], /^error: invalid key name "A B"/],
  [['cache', 'verify', 'ftp://x'], /^error: no cache is reached by ftp:/],
  [['repo', 'sign', '--only', '--to', 'x'], /^error: --only needs the names of what to offer/],
  [['repo', 'sign', 'jq', '--all', '--to', 'x'], /^error: --all and names exclude each other/],
  [['verify', 'iso'], /^error: unknown argument iso\n/],
]

for (const [args, message] of wrong) {
  test(`wrong usage is told and exits with 2: mixos ${args.join(' ')}`, async t => {
    const { code, stdout, stderr } = await place(t).mixos(...args)
    t.is(code, 2)
    t.is(stdout, '')
    t.regex(stderr, message)
  })
}

const failing: [string[], RegExp][] = [
  [['realize', 'isoo'], /^error: unknown package "isoo"/],
  [['cache', 'push', 'iso', '--to', 'x', '-f', 'none.ts'], /^error: there is no recipe file/],
  [['cache', 'trust', 'remove', 'alice'], /no key is named "alice"/],
  [['cache', 'serve', 'none'], /none is not there/],
  [['cache', 'serve', '.', '--tls-key', 'k', '--tls-cert', 'c'], /^error: there is no file k/],
  [['cache', 'serve', '.', '--address', '192.0.2.1'], /^error: cannot listen on 192\.0\.2\.1/],
  [['repo', 'serve', '.'], /is no repository/],
  [['repo', 'sign', '--to', 'x'], /^error: nothing to sign/],
]

for (const [args, message] of failing) {
  test(`what is not so on this machine exits with 1: mixos ${args.join(' ')}`, async t => {
    const { code, stdout, stderr } = await place(t).mixos(...args)
    t.is(code, 1)
    t.is(stdout, '')
    t.regex(stderr, message)
  })
}

test('settings that are wrong are a failure, and no wrong usage', async t => {
  const { config, mixos } = place(t)
  mkdirSync(join(config, 'mixos'), { recursive: true })
  writeFileSync(join(config, 'mixos', 'caches.json'), '{"cachs": []}')
  const { code, stderr } = await mixos('cache', 'info')
  t.is(code, 1)
  t.regex(stderr, /caches\.json: unknown field "cachs"/)
})

const ON_NODE = join(import.meta.dirname, '..', '..', 'cli', 'mix', 'on-node.ts')

test('mix tells of wrong usage as mixos does', async t => {
  const { mixos: mix } = place(t, { program: ON_NODE })
  const option = await mix('install', 'web', '--yess')
  t.is(option.code, 2)
  t.regex(
    option.stderr,
    /^error: unknown option --yess\nhint: did you mean --yes\? see: mix install/,
  )
  const range = await mix('install', 'web>>1')
  t.is(range.code, 2)
  t.regex(range.stderr, /expected a version after >/)
  t.regex((await mix('service', 'lsit')).stderr, /hint: did you mean service list\?/)
})
