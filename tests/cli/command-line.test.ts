import { existsSync } from 'node:fs'
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
  'boot',
]

test('without arguments, the program shows its commands and examples', async t => {
  const { code, stdout } = await place(t).mixos()
  t.is(code, 0)
  for (const command of COMMANDS) t.regex(stdout, new RegExp(`^- ${command} - \\w`, 'm'))
  t.regex(stdout, /EXAMPLES:/)
})

for (const command of COMMANDS) {
  test(`${command}: --help describes it, with examples, and touches nothing`, async t => {
    const user = place(t)
    const { code, stdout, stderr } = await user.mixos(command, '--help')
    t.is(code, 0)
    t.is(stderr, '')
    t.regex(stdout, /EXAMPLES:\n\n.*\n {2}\$ .*mixos /)
    t.notRegex(stdout, /self explanatory/)
    t.false(existsSync(user.home))
  })
}

test('--version prints the version alone', async t => {
  t.deepEqual(await place(t).mixos('--version'), { code: 0, stdout: '0.1.0\n', stderr: '' })
})

const wrong: [string[], RegExp][] = [
  [['relize', 'iso'], /^error: unknown command "relize"\nhint: did you mean realize\?/],
  [['realize'], /^error: nothing to realize\nhint: /],
  [['realize', 'iso', '--fast'], /^error: --fast: unknown argument\nhint: .*mixos realize --help/],
  [['realize', 'iso', '--jobs', '0'], /^error: --jobs 0: expected a whole number .* got "0"/],
  [['realize', 'iso', '--cores=-1'], /^error: --cores=-1: expected a whole number .* got "-1"/],
  [['realize', 'iso', '--cores', '1e3'], /got "1e3"/],
  [['realize', 'iso', '--jobs'], /^error: --jobs needs a value/],
  [['realize', 'iso', 'busybox', '--out-link', 'x'], /^error: --out-link is one path/],
  [['graph', 'iso', '--format', 'svg'], /^error: --format svg: .*'tree', 'dot', 'json'/],
  [['graph'], /^error: NAME is missing/],
  [['realize', 'iso', '-v'], /^error: .*unknown argument/],
  [['cache', 'serve', '.', '--address', ''], /^error: --address needs a value/],
  [['cache', 'serve', '.', '--address='], /^error: --address needs a value/],
  [['explain', 'iso', 'busybox', 'musl'], /^error: musl: unknown argument/],
  [['boot', '--memory', '1'], /at least 64, got "1"/],
  [['verify', 'iso'], /^error: iso: unknown argument/],
]

for (const [args, message] of wrong) {
  test(`wrong usage is told and exits with 2: mixos ${args.join(' ')}`, async t => {
    const { code, stdout, stderr } = await place(t).mixos(...args)
    t.is(code, 2)
    t.is(stdout, '')
    t.regex(stderr, message)
  })
}
