import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Place, place } from '../helpers/run-cli.ts'

const project = join(import.meta.dirname, '..', '..')

test("lock check: this checkout's lock is what configs/pins.ts wants, and no store is made", async t => {
  const user = place(t)
  const { code, stdout, stderr } = await user.mixos('lock', 'check')
  t.regex(stdout, /^\d+ pins: all is as wanted\n$/)
  t.is(stderr, '')
  t.is(code, 0)
  t.false(existsSync(user.home))
})

test('lock check: every difference is told, as text and as JSON, and it fails', async t => {
  const { user } = withLock(t, text =>
    text.replace(/^ {4}"musl": .*\n/m, '').replace('"qemu"', '"vm"'),
  )
  const { code, stdout } = await user.mixos('lock', 'check')
  t.is(code, 1)
  t.regex(
    stdout,
    /^musl is not pinned\nseed qemu is not resolved\nseed vm is not wanted\n.*not wanted\n/,
  )
  t.regex(stdout, /\d+ differences; bring it up to date with: mixos lock update\n$/)
  const json = await user.mixos('lock', 'check', '--json')
  t.is(json.code, 1)
  t.true(JSON.parse(json.stdout).problems.includes('musl is not pinned'))
})

test('lock update: a name that nothing has is told with the nearest, and the lock stays', async t => {
  const { user, path } = withLock(t, text => text)
  const before = readFileSync(path)
  const { code, stderr } = await user.mixos('lock', 'update', 'linus')
  t.is(code, 1)
  t.regex(stderr, /^error: nothing to pin is called "linus"\nhint: did you mean linux\?/)
  t.true(readFileSync(path).equals(before))
})

test('lock: a subcommand is needed', async t => {
  const { code, stderr } = await place(t).mixos('lock')
  t.is(code, 2)
  t.regex(stderr, /see: mixos lock --help/)
})

/** A copy of this checkout with another lock. */
function withLock(
  t: ExecutionContext,
  change: (lock: string) => string,
): { user: Place; path: string } {
  const copy = place(t).directory
  for (const name of ['package.json', 'cli', 'configs', 'derivations', 'graph', 'store']) {
    cpSync(join(project, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'))
  const path = join(copy, 'flake-free.lock')
  writeFileSync(path, change(readFileSync(join(project, 'flake-free.lock'), 'utf8')))
  return { user: place(t, { program: join(copy, 'cli', 'launch.js') }), path }
}
