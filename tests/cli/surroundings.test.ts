import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { place } from '../helpers/run-cli.ts'

const project = join(import.meta.dirname, '..', '..')

for (const program of ['cli/launch.js', 'cli/mix/on-node.ts']) {
  test(`${program}: a working directory that is gone is named`, t => {
    const { directory, home } = place(t)
    const gone = join(directory, 'gone')
    mkdirSync(gone)
    const script = 'rmdir "$PWD"; exec "$@"'
    const command = [process.execPath, join(project, program), 'list', '--json']
    const { status, stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', ...command], {
      cwd: gone,
      env: { ...process.env, MIXOS_HOME: home, MIX_ROOT: home },
      encoding: 'utf8',
    })
    t.is(status, 1)
    const message = `the working directory is gone: ${gone}`
    const hint = 'change to another one with: cd'
    t.is(stderr, `error: ${message}\nhint: ${hint}\n`)
    t.deepEqual(JSON.parse(stdout), { error: { code: 'FILE_UNAVAILABLE', message, hint } })
  })
}

test('where nothing temporary can be written, a plan without a store says so', async t => {
  const { home, mixos } = place(t, { environment: { TMPDIR: '/nonexistent' } })
  for (const args of [
    ['realize', 'iso', '--dry-run'],
    ['explain', 'iso'],
  ]) {
    const { code, stderr } = await mixos(...args)
    t.is(code, 1)
    t.is(
      stderr,
      'error: no temporary directory can be made in /nonexistent: no such file or directory\nhint: set TMPDIR to a directory that this user may write to\n',
    )
  }
  t.false(existsSync(home))
})

test('a lock that is a directory is named by all that reads it', async t => {
  const copy = place(t).directory
  for (const name of ['package.json', 'cli', 'configs', 'derivations', 'graph', 'store'])
    cpSync(join(project, name), join(copy, name), { recursive: true })
  symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'))
  const path = join(copy, 'flake-free.lock')
  mkdirSync(path)
  const { mixos } = place(t, { program: join(copy, 'cli', 'launch.js') })
  for (const args of [
    ['graph', 'iso'],
    ['lock', 'check'],
    ['lock', 'update', 'linux'],
  ]) {
    const { code, stderr } = await mixos(...args)
    t.is(code, 1, stderr)
    t.regex(
      stderr,
      new RegExp(`^error: .*directory.*'${path}'\nhint: something else is in its place`),
    )
  }
  rmSync(path, { recursive: true })
})
