import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Wanted } from '../../graph/wanted.ts'
import { makeKey, writeArchive } from '../helpers/debian-archive.ts'
import { type Place, place } from '../helpers/run-cli.ts'
import { tempDirectory } from '../helpers/temp-store.ts'

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

const outdated: [what: string, change: (lock: string) => string, message: RegExp, hint: string][] =
  [
    [
      'in another version',
      lock => lock.replace('"strace": {"version":"6.1"', '"strace": {"version":"6.0"'),
      /: strace is pinned at 6\.0, wanted is 6\.1$/m,
      'mixos lock update strace',
    ],
    [
      'with a package less in a seed',
      lock => lock.replaceAll(/^ {6}"debian\/bison",\n/gm, ''),
      /: seed build lacks bison; debian\/bison is pinned and not wanted$/m,
      'mixos lock update build debian/bison',
    ],
    [
      'with many differences',
      lock => lock.replaceAll(/^ {4}"npm\/.*\n/gm, ''),
      /: npm\/blake-hash-linux-x64-musl is not pinned; .*; \d+ more$/m,
      'see all with: mixos lock check',
    ],
  ]

for (const [what, change, message, hint] of outdated) {
  test(`a lock ${what} is refused by all that loads recipes, with what brings it up to date`, async t => {
    const { user } = withLock(t, change)
    const { code, stdout, stderr } = await user.mixos('realize', 'strace', '--dry-run')
    t.is(code, 1)
    t.is(stdout, '')
    t.regex(stderr, message)
    t.true(stderr.includes(hint), stderr)
    writeFileSync(join(user.directory, 'mine.ts'), RECIPE)
    const json = await user.mixos('explain', 'mine', '-f', 'mine.ts', '--json')
    t.is(JSON.parse(json.stdout).error.code, 'LOCK_OUTDATED')
  })
}

const RECIPE = `import { textFiles } from 'mixos'
export const mine = textFiles({ name: 'mine', version: '1', files: {} })`

test('lock update: what is in the lock and not wanted goes, when it is named, without a network', async t => {
  const { user, path } = withLock(t, lock =>
    lock.replace(/^ {4}"musl": (.*)\n/m, '$&    "old": $1\n    "debian/old": $1\n'),
  )
  t.regex((await user.mixos('realize', 'musl', '--dry-run')).stderr, /update old debian\/old$/m)
  const { code, stdout } = await user.mixos('lock', 'update', 'old', 'debian/old')
  t.is(code, 0)
  t.is(stdout, '- debian/old 1.2.5\n- old 1.2.5\n2 changes\n')
  t.is(readFileSync(path, 'utf8'), readFileSync(join(project, 'flake-free.lock'), 'utf8'))
})

test('lock update: a name that nothing has is told with the nearest, and the lock stays', async t => {
  const { user, path } = withLock(t, text => text)
  const before = readFileSync(path)
  const { code, stderr } = await user.mixos('lock', 'update', 'linus')
  t.is(code, 1)
  t.regex(stderr, /^error: nothing to pin is called "linus"\nhint: did you mean linux\?/)
  t.true(readFileSync(path).equals(before))
})

test('lock update: a lock of which only the seeds or the layout are others is written, too', async t => {
  const { user, path, want } = await withArchive(t)
  want({ build: ['gcc', 'make'], small: ['libc'] })
  const first = await user.mixos('lock', 'update')
  t.regex(first.stdout, /^\+ debian\/make 1\n\+ seed build\n\+ seed small\n\d+ changes\n$/m)
  const text = readFileSync(path, 'utf8')

  want({ build: ['gcc'], small: ['make', 'libc'], tiny: ['libc'] })
  const { code, stdout } = await user.mixos('lock', 'update')
  t.is(code, 0)
  t.is(stdout, '  seed build: - debian/make\n  seed small: + debian/make\n+ seed tiny\n3 changes\n')
  t.deepEqual(JSON.parse(readFileSync(path, 'utf8')).seeds, {
    build: ['debian/gcc', 'debian/libc'],
    small: ['debian/libc', 'debian/make'],
    tiny: ['debian/libc'],
  })
  t.is((await user.mixos('lock', 'update')).stdout, 'nothing changed\n')

  want({ build: ['gcc', 'make'], small: ['libc'] })
  const json = await user.mixos('lock', 'update', '--json')
  const [added, none] = [['debian/make'], [] as string[]]
  t.deepEqual(JSON.parse(json.stdout), {
    changes: {},
    seeds: {
      build: { added, removed: none },
      small: { added: none, removed: added },
      tiny: { added: none, removed: ['debian/libc'] },
    },
  })
  t.is(readFileSync(path, 'utf8'), text)

  writeFileSync(path, JSON.stringify(JSON.parse(text)))
  t.is((await user.mixos('lock', 'update')).stdout, 'nothing changed\n')
  t.is(readFileSync(path, 'utf8'), text)
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
): { user: Place; path: string; copy: string } {
  const copy = place(t).directory
  for (const name of ['package.json', 'cli', 'configs', 'derivations', 'graph', 'store']) {
    cpSync(join(project, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'))
  const path = join(copy, 'flake-free.lock')
  writeFileSync(path, change(readFileSync(join(project, 'flake-free.lock'), 'utf8')))
  return { user: place(t, { program: join(copy, 'cli', 'launch.js') }), path, copy }
}

/** The same without a lock, and a user whose mirror has a few packages. */
async function withArchive(t: ExecutionContext) {
  const { user, path, copy } = withLock(t, text => text)
  rmSync(path)
  const key = await makeKey()
  const packages = { gcc: { Depends: 'libc' }, libc: {}, make: {} }
  const base = await writeArchive(tempDirectory(t), { signers: [key], packages })
  mkdirSync(join(user.config, 'mixos'), { recursive: true })
  writeFileSync(join(user.config, 'mixos', 'mirrors.json'), JSON.stringify({ debian: [base] }))
  const want = (seeds: Wanted['seeds']): void => {
    const wanted = { suite: 'trixie', keyFingerprints: [key.fingerprint], seeds, sources: {} }
    writeFileSync(join(copy, 'configs/pins.ts'), `export const pins = ${JSON.stringify(wanted)}\n`)
  }
  return { user, path, want }
}
