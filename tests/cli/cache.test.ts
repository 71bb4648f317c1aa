import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { damagePacks } from '../helpers/damage.ts'
import { type Place, place } from '../helpers/run-cli.ts'

const RECIPES = `
import { textFiles } from 'mixos'
export const greeting = textFiles({ name: 'greeting', version: '1', files: { text: 'hello' } })
export const farewell = textFiles({ name: 'farewell', version: '1', files: { text: 'bye' } })
`
const FILE = ['-f', 'mine.ts']

test('a colleague takes from a cache what was pushed to it, and builds nothing', async t => {
  const [alice, bob] = [withRecipes(t), withRecipes(t)]
  const cache = join(alice.directory, 'cache')
  const key = await keyOf(alice, 'alice')
  await alice.mixos('realize', 'greeting', ...FILE)
  const pushed = await alice.mixos('cache', 'push', 'greeting', ...FILE, '--to', cache)
  t.regex(pushed.stdout, /^pushed 1 object of 1 object \(\d+ bytes\), signed 1 step as alice\n$/)

  t.is((await bob.mixos('cache', 'trust', 'add', key)).code, 0)
  const pulled = await bob.mixos('realize', 'greeting', ...FILE, '--cache', cache)
  t.regex(pulled.stderr, /^substituted greeting-1 \(\d+ bytes\) in \d+\.\d s\n$/)
  t.is(readFileSync(join(pulled.stdout.trim(), 'text'), 'utf8'), 'hello')
  const log = await bob.mixos('log', 'greeting', ...FILE)
  t.regex(
    log.stderr,
    /^error: there is no log of greeting-1: it came from a cache, .*\nhint: .*realize greeting -f mine.ts --check\n/,
  )
  t.is((await bob.mixos('verify')).code, 0)
})

test('who takes and pushes passes on what others signed, and a key that got out is forgotten', async t => {
  const [alice, bob] = [withRecipes(t), withRecipes(t)]
  const cache = await pushedBy(alice)
  await bob.mixos('cache', 'trust', 'add', await publicKey(alice))
  await keyOf(bob, 'bob')
  await bob.mixos('realize', 'greeting', ...FILE, '--cache', cache)
  const to = join(bob.directory, 'own')
  const pushed = await bob.mixos('cache', 'push', 'greeting', ...FILE, '--to', to)
  t.regex(pushed.stdout, /, signed 0 steps as bob, passed on what others signed of 1 step\n$/)

  const removed = await bob.mixos('cache', 'trust', 'remove', 'alice')
  const [, id = ''] =
    /if its secret got out: mixos cache trust forget ([0-9a-f]{32})\n/.exec(removed.stderr) ?? []
  const unverified = await bob.mixos('cache', 'verify', to)
  t.regex(unverified.stdout, /: all is well\n$/)
  t.regex(unverified.stderr, /^1 trace signed by keys that are not trusted here/)
  const forgotten = await bob.mixos('cache', 'trust', 'forget', id)
  t.regex(forgotten.stdout, /^forgot 1 step that \w+ signed, and 0 steps that came since/)
  const again = await bob.mixos('cache', 'trust', 'forget', id)
  t.regex(again.stdout, /^nothing here was taken on the word of /)
  const made = await bob.mixos('realize', 'greeting', ...FILE)
  t.regex(made.stderr, /^built greeting-1 /m)
  t.is((await bob.mixos('cache', 'trust', 'forget', 'nobody')).code, 1)
})

test('what is signed for some days is worth nothing afterwards', async t => {
  const alice = withRecipes(t)
  await keyOf(alice, 'alice')
  await alice.mixos('realize', 'greeting', ...FILE)
  const to = join(alice.directory, 'cache')
  const push = (...flags: string[]) =>
    alice.mixos('cache', 'push', 'greeting', ...FILE, '--to', to, ...flags)
  t.regex((await push('--expires', '7')).stdout, /signed 1 step as alice/)
  t.regex((await push('--expires', '7')).stdout, /signed 0 steps as alice/)
  const { signedAt, expires } = JSON.parse(traceIn(to))
  t.is(Date.parse(expires) - Date.parse(signedAt), 7 * 24 * 3_600_000)
  t.regex((await push()).stdout, /signed 1 step as alice/)
  t.is(JSON.parse(traceIn(to)).expires, undefined)
})

test('a cache on the command line may be a path from where the user is', async t => {
  const alice = withRecipes(t)
  await alice.mixos('cache', 'trust', 'add', await keyOf(alice, 'alice'))
  await alice.mixos('realize', 'greeting', ...FILE)
  await alice.mixos('cache', 'push', 'greeting', ...FILE, '--to', 'cache')
  const { stdout } = await alice.mixos('cache', 'info', '--cache', 'cache')
  t.regex(stdout, new RegExp(`^${alice.directory}/cache\n {2}answers;`))
  t.is((await alice.mixos('cache', 'info', '--cache', 'https:cache')).code, 2)
})

test('without a trusted key a cache is not asked, and the hint says how to trust one', async t => {
  const [alice, bob] = [withRecipes(t), withRecipes(t)]
  const cache = await pushedBy(alice)
  const { code, stderr } = await bob.mixos('realize', 'greeting', ...FILE, '--cache', cache)
  t.is(code, 0)
  t.regex(stderr, /warning: .*\nhint: .*mixos cache trust add NAME:KEY/)
  t.regex(stderr, /built greeting-1/)
})

test('pull builds nothing: it names what no cache has', async t => {
  const [alice, bob] = [withRecipes(t), withRecipes(t)]
  const cache = await pushedBy(alice)
  await bob.mixos('cache', 'trust', 'add', await publicKey(alice))
  const pulled = await bob.mixos('cache', 'pull', 'greeting', ...FILE, '--cache', cache)
  t.is(pulled.code, 0)
  const missing = await bob.mixos('cache', 'pull', 'farewell', ...FILE, '--cache', cache)
  t.is(missing.code, 1)
  t.regex(
    missing.stderr,
    /no cache has farewell-1 with the signature of a key that you trust there\nhint: .*mixos cache trust add NAME:KEY; or build it: mixos realize farewell/,
  )
})

test('pull builds nothing where a cache does not keep what it promised', async t => {
  const [alice, bob] = [withRecipes(t), withRecipes(t)]
  const cache = await pushedBy(alice)
  damagePacks(cache)
  await bob.mixos('cache', 'trust', 'add', await publicKey(alice))
  const { code, stderr } = await bob.mixos('cache', 'pull', 'greeting', ...FILE, '--cache', cache)
  t.is(code, 1)
  t.regex(stderr, /error: no cache gave greeting-1, though one promised it/)
  t.notRegex(stderr, /built greeting/)
})

test('settings of caches that are wrong are told of, and nothing is made', async t => {
  const bob = withRecipes(t)
  mkdirSync(join(bob.config, 'mixos'), { recursive: true })
  writeFileSync(join(bob.config, 'mixos', 'caches.json'), '{"keys": ["nope"]}')
  const settings = await bob.mixos('realize', 'greeting', ...FILE)
  t.is(settings.code, 1, settings.stderr)
  t.regex(settings.stderr, /^error: .*caches\.json: keys\[0\]/)
})

test('an address of a cache that is wrong is told of', async t => {
  const bob = withRecipes(t)
  await bob.mixos('cache', 'trust', 'add', await keyOf(bob, 'bob'))
  const { code, stderr } = await bob.mixos('realize', 'greeting', ...FILE, '--cache', 'zzz://x')
  t.is(code, 2, stderr)
  t.regex(stderr, /^error: .*zzz/)
})

test('an authority that is no certificate is refused, not passed over', async t => {
  const bob = place(t, { environment: { MIXOS_CACHE_CA: 'nothing.pem' } })
  const { code, stderr } = await bob.mixos('cache', 'info', '--cache', 'https://localhost:1/')
  t.is(code, 1)
  t.regex(
    stderr + (await bob.mixos('cache', 'verify', 'https://localhost:1/')).stderr,
    /MIXOS_CACHE_CA: .*nothing\.pem holds no certificate/,
  )
})

test('what is no cache is neither tidied up nor found to be well', async t => {
  const alice = withRecipes(t)
  const project = join(alice.directory, 'project')
  mkdirSync(join(project, 'object'), { recursive: true })
  writeFileSync(join(project, 'object', 'main.o'), 'precious')
  for (const command of ['gc', 'verify']) {
    const { code, stderr } = await alice.mixos('cache', command, project)
    t.is(code, 1)
    t.regex(stderr, /error: there is no cache at .*project/)
  }
  t.true(existsSync(join(project, 'object', 'main.o')))
})

test('a cache in the settings is asked, and info tells of it', async t => {
  const [alice, bob] = [withRecipes(t), withRecipes(t)]
  const cache = await pushedBy(alice)
  mkdirSync(join(bob.config, 'mixos'), { recursive: true })
  const settings = { keys: [await publicKey(alice)], caches: [{ url: cache }] }
  writeFileSync(join(bob.config, 'mixos', 'caches.json'), JSON.stringify(settings))
  const { stdout } = await bob.mixos('cache', 'info')
  t.is(stdout, `${cache}\n  answers; named by the user; believed: 1 signature of alice\n`)
  const { stderr } = await bob.mixos('realize', 'greeting', ...FILE)
  t.regex(stderr, /^substituted greeting-1/)
})

test('--cache takes a path from where the user is, as --to does', async t => {
  const [alice, bob] = [withRecipes(t), withRecipes(t)]
  const key = await keyOf(alice, 'alice')
  await alice.mixos('realize', 'greeting', ...FILE)
  await alice.mixos('cache', 'push', 'greeting', ...FILE, '--to', 'shared/cache')
  cpSync(join(alice.directory, 'shared'), join(bob.directory, 'shared'), { recursive: true })
  await bob.mixos('cache', 'trust', 'add', key)
  for (const path of ['shared/cache', './shared/cache', join(bob.directory, 'shared/cache')]) {
    const { code, stdout } = await bob.mixos('cache', 'info', '--cache', path)
    t.is(code, 0)
    t.true(stdout.startsWith(`${join(bob.directory, 'shared/cache')}\n  answers;`), stdout)
  }
  const taken = await bob.mixos('realize', 'greeting', ...FILE, '--cache', 'shared/cache')
  t.regex(taken.stderr, /^substituted greeting-1/)
  const empty = await bob.mixos('realize', 'greeting', ...FILE, '--cache', '')
  t.is(empty.code, 2, empty.stderr)
})

test('info fails where a cache that the user named does not answer', async t => {
  const bob = withRecipes(t)
  await bob.mixos('cache', 'trust', 'add', await keyOf(bob, 'bob'))
  const dead = 'http://127.0.0.1:1/'
  const foreign = join(bob.directory, 'foreign')
  mkdirSync(foreign)
  writeFileSync(join(foreign, 'mixos-cache.json'), '{"format":"other-9","store":"/x"}')
  for (const address of [dead, foreign]) {
    const info = await bob.mixos('cache', 'info', '--cache', address, '--cache', bob.directory)
    t.is(info.code, 1)
    t.regex(info.stdout, /holds no cache yet/)
    t.is(info.stderr, '')
  }
  // One to which nothing was pushed yet is well.
  t.is((await bob.mixos('cache', 'info', '--cache', bob.directory)).code, 0)
  const settings = join(bob.config, 'mixos', 'caches.json')
  const { keys } = JSON.parse(readFileSync(settings, 'utf8')) as { keys: string[] }
  writeFileSync(settings, JSON.stringify({ keys, caches: [{ url: dead }] }))
  t.is((await bob.mixos('cache', 'info')).code, 1)
})

test('info fails where a cache of the command line is not asked', async t => {
  const bob = withRecipes(t)
  const { code, stderr } = await bob.mixos('cache', 'info', '--cache', bob.directory)
  t.is(code, 1)
  t.regex(stderr, /no key is trusted/)
})

test('a challenge compares what was made here, and not what came from a cache', async t => {
  const [alice, bob] = [withRecipes(t), withRecipes(t)]
  const cache = await pushedBy(alice)
  await bob.mixos('cache', 'trust', 'add', await publicKey(alice))
  const challenge = ['greeting', ...FILE, '--cache', cache, '--challenge']
  const taken = await bob.mixos('realize', ...challenge)
  t.regex(taken.stdout, /no signer says anything of 0 steps made here/)
  const remade = withRecipes(t)
  await remade.mixos('realize', 'greeting', ...FILE)
  await remade.mixos('cache', 'trust', 'add', await publicKey(alice))
  const made = await remade.mixos('realize', ...challenge)
  t.regex(made.stdout, /alice of .* agrees on 1 of 1 step; 1 step made here/)
})

test('the plan of a dry run says what is taken from caches', async t => {
  const [alice, bob] = [withRecipes(t), withRecipes(t)]
  const cache = await pushedBy(alice)
  await bob.mixos('cache', 'trust', 'add', await publicKey(alice))
  const { stdout } = await bob.mixos('realize', 'greeting', '--dry-run', ...FILE, '--cache', cache)
  t.regex(stdout, /^substitute {2}greeting-1\n.*1 to take from caches/)
  t.false(existsSync(bob.home))
})

test('what is not realized is not pushed', async t => {
  const alice = withRecipes(t)
  await keyOf(alice, 'alice')
  await alice.mixos('realize', 'farewell', ...FILE)
  const { code, stderr } = await alice.mixos('cache', 'push', 'greeting', ...FILE, '--to', 'cache')
  t.is(code, 1)
  t.regex(stderr, /greeting is not realized\nhint: first run: mixos realize greeting -f mine.ts\n/)
  t.false(existsSync(join(alice.directory, 'cache')))
})

test('without a key there is no push, with several one must be named', async t => {
  const alice = withRecipes(t)
  await alice.mixos('realize', 'greeting', ...FILE)
  const push = ['cache', 'push', 'greeting', ...FILE, '--to', 'cache']
  t.regex(
    (await alice.mixos(...push)).stderr,
    /no key to sign with\nhint: make one: mixos cache keygen/,
  )
  await keyOf(alice, 'alice')
  await keyOf(alice, 'ci')
  t.regex((await alice.mixos(...push)).stderr, /several keys.*alice.secret, ci.secret/)
  const key = join(alice.config, 'mixos', 'keys', 'ci.secret')
  t.regex((await alice.mixos(...push, '--key', key)).stdout, /as ci\n$/)
})

test('a secret key is for its owner alone, and is not used once others can read it', async t => {
  const alice = withRecipes(t)
  await keyOf(alice, 'alice')
  const path = join(alice.config, 'mixos', 'keys', 'alice.secret')
  t.is(statSync(path).mode & 0o777, 0o600)
  chmodSync(path, 0o644)
  await alice.mixos('realize', 'greeting', ...FILE)
  const { code, stderr } = await alice.mixos('cache', 'push', 'greeting', ...FILE, '--to', 'cache')
  t.is(code, 1)
  t.regex(stderr, /hint: .*chmod 600/)
})

test('an unknown scheme is refused with those that there are', async t => {
  const alice = withRecipes(t)
  await keyOf(alice, 'alice')
  await alice.mixos('realize', 'greeting', ...FILE)
  const { code, stderr } = await alice.mixos(
    'cache',
    'push',
    'greeting',
    ...FILE,
    '--to',
    'ftp://x/y',
  )
  t.is(code, 2)
  t.regex(stderr, /no cache is reached by ftp:\/\/\nhint: .*s3:\/\//)
})

test('gc keeps what the named packages need, and deletes the rest', async t => {
  const alice = withRecipes(t)
  const cache = await pushedBy(alice, 'greeting', 'farewell')
  const gc = ['cache', 'gc', cache, 'greeting', ...FILE, '--older-than', '0']
  // Both are of today, and someone may be pushing.
  t.regex((await alice.mixos(...gc)).stdout, /^deleted 0 objects/)
  t.regex(
    (await alice.mixos('cache', 'verify', cache)).stdout,
    /^2 objects and 2 traces checked: all is well/,
  )
})

test('verify names a damaged object of a cache', async t => {
  const alice = withRecipes(t)
  const cache = await pushedBy(alice)
  damagePacks(cache)
  const { code, stdout } = await alice.mixos('cache', 'verify', cache)
  t.is(code, 1)
  t.regex(stdout, /^object\/\w{32}\.json: .*pack.*\n1 object and 1 trace checked: 1 problem found/)
})

function withRecipes(t: ExecutionContext): Place {
  const user = place(t)
  writeFileSync(join(user.directory, 'mine.ts'), RECIPES)
  return user
}

async function keyOf(user: Place, name: string): Promise<string> {
  return (await user.mixos('cache', 'keygen', name)).stdout.trim()
}

/** Gives the address of a cache to which the user, under the name of alice, has pushed. */
async function pushedBy(user: Place, ...names: string[]): Promise<string> {
  const cache = join(user.directory, 'cache')
  const all = names.length > 0 ? names : ['greeting']
  writeFileSync(join(user.directory, 'alice.key'), await keyOf(user, 'alice'))
  await user.mixos('realize', ...all, ...FILE)
  await user.mixos('cache', 'push', ...all, ...FILE, '--to', cache)
  return cache
}

/** The text of the one signed trace of a cache. */
function traceIn(cache: string): string {
  const [directory = ''] = readdirSync(join(cache, 'trace'))
  const [file = ''] = readdirSync(join(cache, 'trace', directory))
  return readFileSync(join(cache, 'trace', directory, file), 'utf8')
}

async function publicKey(user: Place): Promise<string> {
  return readFileSync(join(user.directory, 'alice.key'), 'utf8')
}
