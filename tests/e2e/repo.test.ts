import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { nodeHost } from '../../store/hosts/node.ts'
import { openStore } from '../../store/store.ts'
import { openMixpkg } from '../../store/target/mixpkg.ts'
import { knownIndex, openRepository, updateIndex } from '../../store/target/repository.ts'
import { infoOf } from '../helpers/package.ts'
import { type Place, place } from '../helpers/run-cli.ts'

const about = (name: string): string => JSON.stringify(JSON.stringify(infoOf(name)))
const RECIPES = `
import { derivation, textFiles } from 'mixos'
export const greeter = textFiles({ name: 'greeter', version: '1', files: {
  'bin/greet': { executable: '#!/bin/sh\\necho hello\\n' },
  'share/mix/packages/greeter.json': ${about('greeter')},
} })
const at = 'share/mix/packages/waver.json'
export const waver = derivation({ name: 'waver', version: '1', builder: ['builtin:files'], env: {
  packageInfo: ${about('waver')}, packageInfoPath: at, files: JSON.stringify({ [at]: ${about('waver')} }),
} })
export const text = textFiles({ name: 'text', version: '1', files: { a: 'b' } })
`
const FILE = ['-f', 'mine.ts']

function withRecipes(t: ExecutionContext): Place {
  const user = place(t)
  writeFileSync(join(user.directory, 'mine.ts'), RECIPES)
  return user
}

async function signed(t: ExecutionContext): Promise<Place> {
  const user = withRecipes(t)
  t.is((await user.mixos('repo', 'keygen')).code, 0)
  await user.mixos('realize', 'greeter', ...FILE)
  const { code, stderr } = await user.mixos('repo', 'sign', 'greeter', ...FILE, '--to', 'packages')
  t.is(code, 0, stderr)
  return user
}

test('what is signed can be installed from where it is served', async t => {
  const user = await signed(t)
  const serving = user.start('repo', 'serve', 'packages', '--port', '0')
  const url = await new Promise<string>(resolve => {
    let text = ''
    serving.process.stderr?.on('data', chunk => {
      text += chunk
      const [, url] = /serving (\S+) \(read only\)/.exec(text) ?? []
      if (url) resolve(url)
    })
  })
  const packages = join(user.directory, 'packages')
  const state = join(user.directory, 'state')
  const updated = await updateIndex(nodeHost, {
    repository: openRepository(nodeHost, url),
    rootJson: readFileSync(join(packages, 'tuf', 'root.json'), 'utf8'),
    stateDirectory: state,
    now: Date.now(),
    signal: new AbortController().signal,
  })
  t.is(updated.index.packages[0]?.name, 'greeter')
  t.deepEqual(knownIndex(nodeHost, state), updated.index)
  t.is((await fetch(`${url}/tuf/timestamp.json`, { method: 'DELETE' })).status, 405)
  serving.process.kill('SIGINT')
  await serving.result
})

test('sign says what the repository offers, as text and as JSON', async t => {
  const user = await signed(t)
  const again = await user.mixos('repo', 'sign', '--to', 'packages')
  t.regex(
    again.stdout,
    /packages offers 1 package, version 2 of the index, until \d{4}-\d\d-\d\d; wrote 0 bytes\n$/,
  )
  await user.mixos('realize', 'waver', ...FILE)
  const all = await user.mixos(
    'repo',
    'sign',
    'waver',
    ...FILE,
    '--to',
    'packages',
    '--days',
    '3650',
    '--json',
  )
  const record = JSON.parse(all.stdout)
  t.deepEqual(
    record.packages.map(({ name }: { name: string }) => name),
    ['greeter', 'waver'],
  )
  t.is(record.versions.timestamp, 3)
  t.is(record.versions.root, 2)
  t.true(record.expires > Date.now() + 3600 * 86_400_000)
})

test('sign realizes nothing: it names what is missing and how to make it', async t => {
  const user = withRecipes(t)
  await user.mixos('repo', 'keygen')
  const { code, stderr } = await user.mixos(
    'repo',
    'sign',
    'greeter',
    'waver',
    ...FILE,
    '--to',
    'packages',
  )
  t.is(code, 1)
  t.regex(stderr, /greeter, waver are not realized\nhint: first run: mixos realize greeter waver/)
  t.false(existsSync(join(user.directory, 'packages')))
})

test('sign needs keys, something to sign, and packages', async t => {
  const user = withRecipes(t)
  const nothing = await user.mixos('repo', 'sign', '--to', 'packages')
  t.regex(nothing.stderr, /nothing to sign: .*packages offers nothing yet\nhint: name a package/)
  const elsewhere = await user.mixos('repo', 'sign', '--to', 'https://packages.example')
  t.is(elsewhere.code, 2)
  t.regex(elsewhere.stderr, /--to is a directory of this machine, got https:/)
  await user.mixos('realize', 'text', 'greeter', ...FILE)
  const keyless = await user.mixos('repo', 'sign', 'greeter', ...FILE, '--to', 'packages')
  t.regex(keyless.stderr, /there are no keys in .*\nhint: make them: mixos repo keygen/)
  await user.mixos('repo', 'keygen')
  const text = await user.mixos('repo', 'sign', 'text', ...FILE, '--to', 'packages')
  t.is(text.code, 1)
  t.regex(text.stderr, /text-1 is no package: it has no description in share\/mix\/packages\//)
})

test('keygen never overwrites, and a key that others can read is refused', async t => {
  const user = await signed(t)
  t.regex((await user.mixos('repo', 'keygen')).stderr, /root\.secret: there is a file of that name/)
  const key = join(user.config, 'mixos', 'keys', 'repository', 'timestamp.secret')
  chmodSync(key, 0o644)
  const { stderr } = await user.mixos('repo', 'sign', '--to', 'packages')
  t.regex(stderr, /timestamp\.secret: other users may read or change it/)
})

test('the root key may be kept elsewhere until keys change', async t => {
  const user = await signed(t)
  const keys = join(user.config, 'mixos', 'keys', 'repository')
  renameSync(join(keys, 'root.secret'), join(user.directory, 'root.secret'))
  t.is((await user.mixos('repo', 'sign', '--to', 'packages')).code, 0)
  await user.mixos('repo', 'keygen', '--out', 'new')
  const refused = await user.mixos('repo', 'sign', '--to', 'packages', '--keys', 'new')
  t.regex(
    refused.stderr,
    /clients of this repository believe the root key [0-9a-f]{64}, this one is/,
  )
  const both = await user.mixos(
    'repo',
    'sign',
    '--to',
    'packages',
    '--keys',
    'new',
    '--old-root-key',
    'root.secret',
    '--json',
  )
  t.is(JSON.parse(both.stdout).versions.root, 2)
})

test('what is no repository is not served', async t => {
  const user = withRecipes(t)
  const { code, stderr } = await user.mixos('repo', 'serve', '.')
  t.is(code, 1)
  t.regex(
    stderr,
    /is no repository: it has no tuf\/timestamp\.json\nhint: make it one: mixos repo sign/,
  )
})

test('a package as a file is realized by its name, and installs elsewhere as the same object', async t => {
  const user = withRecipes(t)
  const made = await user.mixos('realize', 'greeter.mixpkg', 'greeter', ...FILE, '--json')
  t.is(made.code, 0, made.stderr)
  const { packages } = JSON.parse(made.stdout)
  const { hostPath } = packages['greeter.mixpkg'].outputs.out
  t.true(hostPath.endsWith('-greeter-1.mixpkg'))
  const store = openStore({ directory: join(user.directory, 'other'), host: nodeHost })
  const opened = await openMixpkg(store, hostPath, { signal: new AbortController().signal })
  t.is(`/mix/store/${await opened.add()}`, packages.greeter.outputs.out.path)
  opened.discard()
  const again = await user.mixos('realize', 'greeter.mixpkg', ...FILE, '--check')
  t.is(again.code, 0, again.stderr)
  const none = await user.mixos('realize', 'text.mixpkg', ...FILE)
  t.is(none.code, 1)
  t.regex(none.stderr, /text-1 is no package: it has no description/)
  t.regex((await user.mixos('realize', 'greter.mixpkg', ...FILE)).stderr, /did you mean greeter\?/)
})
