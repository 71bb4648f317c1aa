import test from 'ava'
import { parseLock } from '../../../graph/lock.ts'
import type { Event } from '../../../store/event.ts'
import { expandUrl, machineMirrors, parseStamp, withArchive } from '../../../store/fetch/mirrors.ts'
import type { Host } from '../../../store/host.ts'
import { nodeHost } from '../../../store/hosts/node.ts'

const STANZAS = `# a comment
Types: deb
# in the middle of a stanza
URIs: https://one.example/debian
 http://two.example/mirror/debian/
Suites: stable stable-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 URIs: https://not-a-field.example/debian
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://one.example/debian-security
Suites: stable-security

Enabled: no
Types: deb
URIs: https://off.example/debian
Suites: stable

Types: deb
URIs: mirror+file:/etc/apt/debian
Suites: stable
`
const LINES = `
# deb https://commented.example/debian stable main
deb https://three.example/debian stable main contrib
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://four.example/debian/ stable main
deb-src https://three.example/debian stable main
deb https://vendor.example/apt stable main
`

test("apt's sources of a debian archive are mirrors, in the order of their files", t => {
  const { debian } = machineMirrors(
    holding({
      '/etc/apt/sources.list': LINES,
      '/etc/apt/sources.list.d/debian.sources': STANZAS,
      '/etc/apt/sources.list.d/note.txt': 'deb https://five.example/debian stable main',
    }),
    {},
  )
  t.deepEqual(debian, [
    'https://three.example/debian',
    'https://four.example/debian/',
    'https://one.example/debian',
    'http://two.example/mirror/debian/',
  ])
})

test("the user's mirrors come first, and none comes twice", t => {
  const config = {
    debian: ['file:///srv/debian', 'https://three.example/debian'],
    own: ['https://x.example'],
  }
  const host = holding({
    '/home/me/.config/mixos/mirrors.json': JSON.stringify(config),
    '/etc/apt/sources.list': LINES,
  })
  const { debian, own } = machineMirrors(host, { HOME: '/home/me' })
  t.deepEqual(debian, [
    'file:///srv/debian',
    'https://three.example/debian',
    'https://four.example/debian/',
  ])
  t.deepEqual(own, ['https://x.example'])
})

test('XDG_CONFIG_HOME says where the user keeps settings', t => {
  const host = holding({ '/config/mixos/mirrors.json': '{ "debian": ["https://x.example"] }' })
  const env = { HOME: '/home/me', XDG_CONFIG_HOME: '/config' }
  t.deepEqual(machineMirrors(host, env).debian, ['https://x.example'])
})

for (const [what, text] of [
  ['no JSON', '{ debian: }'],
  ['a list', '[]'],
  ['a URL where a list belongs', '{ "debian": "https://x.example" }'],
  ['no URL', '{ "debian": ["x.example/debian"] }'],
] as const) {
  test(`a mirrors.json with ${what} is SETTINGS_INVALID, and named`, t => {
    const host = holding({ '/config/mixos/mirrors.json': text })
    t.throws(() => machineMirrors(host, { XDG_CONFIG_HOME: '/config' }), {
      code: 'SETTINGS_INVALID',
      message: /^\/config\/mixos\/mirrors\.json: /,
    })
  })
}

test('a site that may be misspelled is named with those that there are, and one of its own is not', t => {
  const config = { debain: ['https://x.example'], team: ['https://y.example'] }
  const host = holding({ '/config/mixos/mirrors.json': JSON.stringify(config) })
  const events: Event[] = []
  machineMirrors(host, { XDG_CONFIG_HOME: '/config' }, event => events.push(event))
  t.deepEqual(events, [
    {
      type: 'warning',
      message: '/config/mixos/mirrors.json: "debain" is none of the sites debian, gnu, kernel, npm',
      hint: 'did you mean debian?',
    },
  ])
})

test("npm's registry is that of the environment, else of the user, else of the machine", t => {
  const files = {
    '/home/me/.npmrc': 'fund=false\nregistry = "https://user.example/${TEAM}/"\n',
    '/usr/etc/npmrc': 'registry=https://machine.example/\n',
  }
  const npm = (env: Record<string, string>) => machineMirrors(holding(files), env).npm
  t.deepEqual(npm({ HOME: '/home/me', npm_config_registry: 'https://env.example/' }), [
    'https://env.example/',
  ])
  t.deepEqual(npm({ HOME: '/home/me', TEAM: 'us' }), ['https://user.example/us/'])
  t.deepEqual(npm({ HOME: '/home/other' }), ['https://machine.example/'])
})

test('a machine without any settings still has public upstreams', t => {
  const mirrors = machineMirrors(holding({}), {})
  t.deepEqual(mirrors.debian, [])
  t.true((mirrors.gnu?.length ?? 0) > 0)
})

test('a settings file that may not be read is none of ours', t => {
  const host = holding({})
  const read = (): never => {
    throw Object.assign(new Error('denied'), { code: 'EACCES' })
  }
  t.notThrows(() =>
    machineMirrors({ ...host, files: { ...host.files, read } }, { HOME: '/home/me' }),
  )
})

test('a mirror URL expands to every mirror of its site, in order', t => {
  const mirrors = { site: ['https://a.example', 'https://b.example/base/'] }
  t.deepEqual(expandUrl('mirror://site/pool/x_1%3a2.deb', mirrors), [
    'https://a.example/pool/x_1%3a2.deb',
    'https://b.example/base/pool/x_1%3a2.deb',
  ])
})

for (const url of [
  'https://a.example/x',
  'mirror://other/x',
  'mirror://constructor/x',
  'mirror://empty/x',
]) {
  test(`${url} stays as it is`, t => {
    t.deepEqual(expandUrl(url, { site: ['https://a.example'], empty: [] }), [url])
  })
}

test("the public archive is that of the day after the lock's index", t => {
  const pin = {
    version: '20261231T235959Z',
    hash: `sha256:${'0'.repeat(64)}`,
    size: 1,
    urls: ['mirror://debian/x'],
  }
  const lock = parseLock(JSON.stringify({ version: 1, pins: { 'debian-index': pin }, seeds: {} }))
  const { debian } = withArchive({ debian: ['https://a.example/debian'] }, lock)
  t.is(debian?.length, 2)
  t.is(debian?.[0], 'https://a.example/debian')
  t.regex(debian?.[1] ?? '', /\/archive\/debian\/20270101T235959Z\/$/)
})

test('a lock without the pin of an index adds no archive', t => {
  const lock = parseLock(JSON.stringify({ version: 1, pins: {}, seeds: {} }))
  t.deepEqual(withArchive({ debian: [] }, lock), { debian: [] })
})

test('a stamp is a time in UTC', t => {
  t.is(parseStamp('19700102T000001Z'), 86_401_000)
  t.is(parseStamp('1970-01-02'), undefined)
})

/** A machine with those files and no others. */
function holding(files: Readonly<Record<string, string>>): Host {
  const names = Object.keys(files)
  const below = (path: string) => names.filter(name => name.startsWith(`${path}/`))
  return {
    ...nodeHost,
    files: {
      ...nodeHost.files,
      read: path => (files[path] === undefined ? undefined : Buffer.from(files[path])),
      lstat: path => (below(path).length > 0 ? nodeHost.files.lstat('/') : undefined),
      list: path =>
        below(path)
          .map(name => name.slice(path.length + 1))
          .sort(),
    },
  }
}
