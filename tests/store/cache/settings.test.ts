import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { MixosError } from '../../../graph/error.ts'
import { formatPublicKey, generateKey, type PublicKey } from '../../../store/cache/keys.ts'
import {
  addKey,
  type CacheSettings,
  cacheSettings,
  listKeys,
  removeKey,
} from '../../../store/cache/settings.ts'
import type { Change, Fault } from '../../../store/hosts/faulty.ts'
import { faultyHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { memoryDirectory } from '../../helpers/temp-store.ts'

const keyOf = (name: string): PublicKey => generateKey(nodeHost, name).public
const [alice, bob, carol] = [keyOf('alice'), keyOf('bob'), keyOf('carol')]
const texts = (...keys: PublicKey[]) => keys.map(formatPublicKey)

test('without any file there are no caches, no keys and no warnings', t => {
  const { settings, environment } = user(t)
  t.deepEqual(settings(), { caches: [], warnings: [] })
  t.deepEqual(listKeys(nodeHost, environment), [])
})

test('without a home there is only the command line', t => {
  const { warnings } = cacheSettings(nodeHost, { environment: {}, addresses: ['s3://bucket/a'] })
  t.is(warnings.length, 1)
})

test('a cache is asked by the rules that the user gave for it', t => {
  const { settings } = user(t, {
    keys: texts(alice, bob, carol),
    caches: [
      { url: 'https://a.example/', priority: 10, keys: ['alice', 'carol'], threshold: 2 },
      { url: 'https://b.example/', threshold: 3 },
      { url: 'https://c.example/' },
    ],
  })
  t.deepEqual(told(settings()), [
    '10 https://a.example/ user 2 of alice carol',
    '50 https://b.example/ user 3 of alice bob carol',
    '50 https://c.example/ user 1 of alice bob carol',
  ])
})

test('lower priorities come first, equal ones in the order of their files, and --cache before all', t => {
  const { settings } = user(
    t,
    {
      keys: texts(alice),
      caches: [
        { url: 'https://late.example/', priority: 90 },
        { url: 'https://user.example/' },
        { url: 'https://zero.example/', priority: 0 },
      ],
    },
    {
      caches: [{ url: 'https://project.example/' }, { url: 'https://early.example/', priority: 5 }],
    },
  )
  const { caches } = settings('https://z.example/', '/srv/cache')
  t.deepEqual(
    caches.map(({ address, source }) => `${source} ${address}`),
    [
      'command line https://z.example/',
      'command line /srv/cache',
      'user https://zero.example/',
      'project https://early.example/',
      'user https://user.example/',
      'project https://project.example/',
      'user https://late.example/',
    ],
  )
})

test("the user's rules for a cache hold whoever names it, however its address is written", t => {
  const { settings } = user(
    t,
    {
      keys: texts(alice, bob),
      caches: [{ url: 'https://a.example/x', keys: ['alice', 'bob'], threshold: 2 }],
    },
    { caches: [{ url: 'https://A.example:443//x//', priority: 1 }] },
  )
  t.deepEqual(told(settings()), ['50 https://a.example/x user 2 of alice bob'])
  t.deepEqual(told(settings('https://a.example/x/')), [
    '-1 https://a.example/x/ command line 2 of alice bob',
  ])
})

test('the variable of a token is of the very cache that the user gave it for', t => {
  const { settings } = user(
    t,
    { keys: texts(alice), caches: [{ url: 'https://a.example/x', tokenVariable: 'TEAM_TOKEN' }] },
    { caches: [{ url: 'https://a.example/' }, { url: 'http://a.example/x' }] },
  )
  const variables = ({ caches }: CacheSettings) => caches.map(cache => cache.tokenVariable)
  t.deepEqual(variables(settings()), ['TEAM_TOKEN', undefined, undefined])
  t.deepEqual(variables(settings('https://a.example/x/', 'https://b.example')), [
    'TEAM_TOKEN',
    undefined,
    undefined,
    undefined,
  ])
})

test('a project that names a variable for a token is refused', t => {
  const caches = [{ url: 'https://a.example/', tokenVariable: 'SECRET' }]
  const { settings } = user(t, { keys: texts(alice) }, { caches })
  t.throws(() => settings(), { message: /unknown field "tokenVariable" in caches\[0\]$/ })
})

test('a directory is the same cache by its path and by its URL', t => {
  const { settings } = user(t, { keys: texts(alice) })
  t.is(settings('/srv/my cache', 'file:///srv/my%20cache/', '/srv/my cache/').caches.length, 1)
})

test('addresses that differ in what they ask of a server are two caches', t => {
  const { settings } = user(t, { keys: texts(alice) })
  const addresses = ['s3://bb/p?region=x', 's3://bb/p?region=y', 's3://bb/p', 'oci://bb/p']
  t.is(settings(...addresses).caches.length, 4)
})

test('a cache for which no key is trusted is left out with the command that adds one', t => {
  const { settings } = user(t, { caches: [{ url: 'https://a.example/' }] })
  t.deepEqual(settings(), {
    caches: [],
    warnings: [
      {
        message: 'the cache https://a.example/ is not asked: no key is trusted for it',
        hint: "add its signer's key with: mixos cache trust add NAME:KEY",
      },
    ],
  })
})

test('a cache with an empty list of keys is left out, and not asked by the rules for others', t => {
  const { settings } = user(t, {
    keys: texts(alice),
    caches: [{ url: 'https://a.example/', keys: [] }],
  })
  const { caches, warnings } = settings('https://a.example/')
  t.deepEqual(caches, [])
  t.is(warnings.length, 1)
})

test('a cache that asks for more keys than there are is left out, until they are added', async t => {
  const chosen = { url: 'https://b.example/', keys: [], threshold: 2 }
  const { settings, environment } = user(t, { caches: [{ url, threshold: 2 }, chosen] })
  t.is(settings().warnings.length, 2)
  t.true(await addKey(nodeHost, environment, alice))
  t.deepEqual(settings().caches, [])
  t.deepEqual(settings().warnings[0], {
    message:
      'the cache https://a.example/ is not asked: its threshold is 2, more than the number of keys that are trusted for it, 1',
    hint: 'add its signer\'s key with: mixos cache trust add NAME:KEY; or lower its "threshold"',
  })
  t.true(await addKey(nodeHost, environment, bob))
  t.deepEqual(told(settings()), [`50 ${url} user 2 of alice bob`])
})

test('a key is removed where a cache asks for more keys than there are anyway', async t => {
  const caches = [{ url, threshold: 3 }]
  const { environment } = user(t, { keys: texts(alice, bob), caches })
  t.is((await removeKey(nodeHost, environment, 'alice')).id, alice.id)
})

test('XDG_CONFIG_HOME says where the settings are, unless it is relative', t => {
  const { directory } = user(t, { keys: texts(alice) })
  const keysOf = (environment: Record<string, string>) => listKeys(nodeHost, environment).length
  t.is(keysOf({ XDG_CONFIG_HOME: join(directory, 'config') }), 1)
  t.is(keysOf({ XDG_CONFIG_HOME: 'config', HOME: directory }), 0)
  mkdirSync(join(directory, '.config/mixos'), { recursive: true })
  writeFileSync(join(directory, '.config/mixos/caches.json'), JSON.stringify({ keys: texts(bob) }))
  t.is(keysOf({ XDG_CONFIG_HOME: 'config', HOME: directory }), 1)
})

for (const [what, data, message] of [
  ['keys', { keys: texts(alice) }, 'keys'],
  ['no keys', { keys: [] }, 'keys'],
  ['a threshold', { threshold: 0 }, 'threshold'],
  [
    'the keys of a cache',
    { caches: [{ url: 'https://a.example/', keys: ['alice'] }] },
    'caches[0].keys',
  ],
  ['the threshold of a cache', { caches: [{}, { threshold: 1 }] }, 'caches[1].threshold'],
] as const) {
  test(`a project that sets ${what} is refused with the reason`, t => {
    const { settings, project } = user(t, { keys: texts(alice) }, data)
    t.throws(() => settings(), {
      code: 'SETTINGS_INVALID',
      message: `${project}/configs/caches.json: ${message}: a project may name caches, but never choose whom its users trust`,
    })
  })
}

const key = texts(alice)[0] as string
const url = 'https://a.example/'
const malformed: Record<string, readonly [unknown, string]> = {
  'a list': [[], 'the file: expected an object, got a list'],
  'an unknown field': [{ key: [] }, 'unknown field "key"'],
  'a field called __proto__': [JSON.parse('{"__proto__":[]}'), 'unknown field "__proto__"'],
  'keys that are a text': [{ keys: key }, `keys: expected a list, got ${JSON.stringify(key)}`],
  'keys that are null': [{ keys: null }, 'keys: expected a list, got null'],
  'a key that is a number': [{ keys: [key, 1] }, 'keys[1]: expected NAME:KEY, got 1'],
  'a key twice': [{ keys: [key, key] }, `keys[1]: alice and alice are the same key, ${alice.id}`],
  'a key under two names': [
    { keys: [key, key.replace('alice', 'bob')] },
    `keys[1]: alice and bob are the same key, ${alice.id}`,
  ],
  'two keys of one name': [
    { keys: [key, texts(bob)[0]?.replace('bob', 'alice')] },
    `keys[1]: alice is the name of two keys, ${alice.id} and ${bob.id}`,
  ],
  'caches that are an object': [{ caches: {} }, 'caches: expected a list, got an object'],
  'a cache that is a text': [{ caches: [url] }, `caches[0]: expected an object, got "${url}"`],
  'a cache without a URL': [{ caches: [{}] }, 'caches[0].url: expected a URL, got nothing'],
  'a relative path': [{ caches: [{ url: 'a/b' }] }, 'caches[0].url: expected a URL, got "a/b"'],
  'a URL with a line end': [
    { caches: [{ url: `${url}\n` }] },
    `caches[0].url: expected a URL, got "${url}\\n"`,
  ],
  'a password in a URL that is none': [
    { caches: [{ url: 'https://me:secret@:x' }] },
    'caches[0].url: expected a URL, got "https://:x"',
  ],
  'a cache twice': [
    { caches: [{ url }, { url: 'https://a.example' }] },
    'caches[1].url: expected another cache than caches[0], got "https://a.example"',
  ],
  'a negative priority': [
    { caches: [{ url, priority: -1 }] },
    'caches[0].priority: expected a whole number from 0, got -1',
  ],
  'a priority that is a text': [
    { caches: [{ url, priority: '1' }] },
    'caches[0].priority: expected a whole number from 0, got "1"',
  ],
  'a threshold of 0': [
    { keys: [key], caches: [{ url, threshold: 0 }] },
    'caches[0].threshold: expected a whole number from 1, got 0',
  ],
  'a key that is named twice': [
    { keys: [key], caches: [{ url, keys: ['alice', 'alice'], threshold: 2 }] },
    `caches[0]: alice and alice are the same key, ${alice.id}`,
  ],
  'a key that is not there': [
    { keys: [key], caches: [{ url, keys: ['eve'] }] },
    'caches[0].keys[0]: expected one of the names in "keys" (alice), got "eve"',
  ],
  'a variable that may be the token itself': [
    { caches: [{ url, tokenVariable: 'b1946ac92492d2347c6235b4d2611184' }] },
    'caches[0].tokenVariable: expected the name of an environment variable, such as TEAM_TOKEN',
  ],
  'a token for a bucket': [
    { caches: [{ url: 's3://bucket', tokenVariable: 'TEAM_TOKEN' }] },
    'caches[0].tokenVariable: only web servers take tokens',
  ],
  'a misspelled threshold': [
    { keys: [key], caches: [{ url, treshold: 2 }] },
    'unknown field "treshold" in caches[0]',
  ],
}
for (const [what, [data, message]] of Object.entries(malformed)) {
  test(`settings with ${what} are refused, naming the file`, t => {
    const { settings, file } = user(t, data)
    t.throws(() => settings(), { code: 'SETTINGS_INVALID', message: `${file}: ${message}` })
  })
}

test('a field that is misspelled is refused with the one that was meant', t => {
  const { settings } = user(t, { caches: [{ url, treshold: 2 }] })
  t.true((t.throws(() => settings()) as MixosError).hint?.startsWith('did you mean threshold?'))
})

test('a malformed key is KEY_INVALID with its place', t => {
  const { settings, file } = user(t, { keys: ['alice:AAAA'] })
  const message = `${file}: keys[0]: "alice:…" has 3 bytes, expected 32`
  t.throws(() => settings(), { code: 'KEY_INVALID', message })
})

for (const [address, message] of [
  ['ftp://a.example/', 'no cache is reached by ftp://'],
  ['https://me:secret@a.example/', 'the address of a https cache holds credentials'],
  ['https://a.example/?a=b', 'the address of a https cache has a query'],
  ['file://a.example/srv', 'file://a.example/srv names no directory of this machine'],
  ['s3://bucket/?endpont=x', 's3://bucket/?endpont=x: unknown option endpont'],
  ['oci://a.example/A', 'oci://a.example/A: "A" is no name of a repository'],
] as const) {
  test(`the address ${address} is refused with the place where it stands`, t => {
    const caches = [{ url }, { url: address }]
    const ofUser = user(t, { caches })
    const refused = { code: 'SETTINGS_INVALID' }
    t.throws(ofUser.settings, { ...refused, message: `${ofUser.file}: caches[1].url: ${message}` })
    const ofProject = user(t, undefined, { caches })
    t.throws(ofProject.settings, {
      ...refused,
      message: `${ofProject.project}/configs/caches.json: caches[1].url: ${message}`,
    })
    t.throws(() => user(t).settings(address), {
      code: 'BAD_ARGUMENT',
      message: `--cache: ${message}`,
    })
  })
}

test('settings that are no JSON, or no file, are refused, naming them', t => {
  const { settings, file, project } = user(t)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, '{ keys: [] }')
  t.throws(() => settings(), {
    code: 'SETTINGS_INVALID',
    message: /^.*\/mixos\/caches\.json: it is not JSON: /,
  })
  writeFileSync(file, '{}')
  mkdirSync(join(project, 'configs/caches.json'), { recursive: true })
  t.throws(() => settings(), {
    code: 'SETTINGS_INVALID',
    message: /configs\/caches\.json: it cannot be read: EISDIR$/,
  })
})

test('what --cache is given must be a URL or the whole path of a directory', t => {
  const { settings } = user(t)
  t.throws(() => settings('cache'), {
    code: 'BAD_ARGUMENT',
    message: '--cache: "cache" is no address',
  })
})

test('the first key that is added makes the file, and it is trusted from then on', async t => {
  const { settings, environment, file } = user(t)
  t.true(await addKey(nodeHost, environment, bob))
  t.true(await addKey(nodeHost, environment, alice))
  t.deepEqual(told(settings(url)), [`-1 ${url} command line 1 of alice bob`])
  t.is(
    readFileSync(file, 'utf8'),
    `{\n  "keys": [\n    ${texts(alice, bob)
      .map(key => JSON.stringify(key))
      .join(',\n    ')}\n  ]\n}\n`,
  )
  t.deepEqual(readdirSync(dirname(file)), ['caches.json'])
})

test('what is added and removed again leaves the file as it was', async t => {
  const caches = [
    { url, threshold: 1, keys: ['alice'] },
    { priority: 3, url: 'oci://b.example/c' },
  ]
  const { environment, file } = user(t, { threshold: 1, caches, keys: texts(carol, alice) })
  await addKey(nodeHost, environment, bob)
  const one = JSON.parse(readFileSync(file, 'utf8'))
  t.deepEqual(one, { threshold: 1, caches, keys: texts(alice, bob, carol) })
  await removeKey(nodeHost, environment, 'bob')
  const text = `${JSON.stringify({ threshold: 1, caches, keys: texts(alice, carol) }, null, 2)}\n`
  t.is(readFileSync(file, 'utf8'), text)
})

test('a key that is trusted already is not written again', async t => {
  const { environment, file } = user(t, { keys: texts(alice) })
  const before = readFileSync(file, 'utf8')
  t.false(await addKey(nodeHost, environment, alice))
  t.is(readFileSync(file, 'utf8'), before)
})

test('a second name for a key, and a second key for a name, are refused with both', async t => {
  const { environment, file } = user(t, { keys: texts(alice) })
  await t.throwsAsync(addKey(nodeHost, environment, { ...alice, name: 'al' }), {
    code: 'SETTINGS_INVALID',
    message: `${file}: the key al is trusted as alice already`,
  })
  await t.throwsAsync(addKey(nodeHost, environment, { ...bob, name: 'alice' }), {
    code: 'SETTINGS_INVALID',
    message: `${file}: alice is the name of the key ${alice.id}, and cannot be that of ${bob.id}`,
  })
})

test('a key that is removed is given, and trusted no more', async t => {
  const { environment } = user(t, { keys: texts(alice, bob) })
  t.is((await removeKey(nodeHost, environment, 'alice')).id, alice.id)
  t.deepEqual(
    listKeys(nodeHost, environment).map(key => key.name),
    ['bob'],
  )
})

test('a key that is not there cannot be removed, and the nearest is named', async t => {
  const { environment } = user(t, { keys: texts(alice, bob) })
  const error = await t.throwsAsync(removeKey(nodeHost, environment, 'alise'), {
    code: 'SETTINGS_INVALID',
    message: /no key is named "alise"$/,
  })
  t.is((error as MixosError).hint, 'did you mean alice?')
})

test('rules that name a key lose it with the key, and a cache with too few is not asked', async t => {
  const caches = [
    { url: 'https://a.example/', keys: ['alice', 'bob'] },
    { url: 'https://b.example/', keys: ['alice', 'bob'], threshold: 2 },
    { url: 'https://c.example/', threshold: 3 },
  ]
  const { environment, settings } = user(t, { keys: texts(alice, bob, carol), caches })
  await removeKey(nodeHost, environment, 'alice')
  t.deepEqual(told(settings()), ['50 https://a.example/ user 1 of bob'])
  t.deepEqual(
    settings().warnings.map(({ message }) => message.slice(0, 43)),
    ['the cache https://b.example/ is not asked: ', 'the cache https://c.example/ is not asked: '],
  )
})

test('the threshold of all caches holds for those without one of their own', t => {
  const { settings } = user(t, {
    keys: texts(alice, bob),
    threshold: 2,
    caches: [{ url: 'https://a.example/' }, { url: 'https://b.example/', threshold: 1 }],
  })
  t.deepEqual(told(settings('https://c.example/')), [
    '-1 https://c.example/ command line 2 of alice bob',
    '50 https://a.example/ user 2 of alice bob',
    '50 https://b.example/ user 1 of alice bob',
  ])
})

test('what a project names is believed no more easily than what the user names', t => {
  const keys = texts(alice, bob)
  const caches = [{ url: 'https://a.example/', threshold: 2 }]
  const { settings } = user(t, { keys, caches }, { caches: [{ url: 'https://b.example/' }] })
  t.deepEqual(told(settings()), [
    '50 https://a.example/ user 2 of alice bob',
    '50 https://b.example/ project 2 of alice bob',
  ])
})

test('a file that only its owner may read stays so', async t => {
  const { environment, file } = user(t)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, '{}', { mode: 0o600 })
  await addKey(nodeHost, environment, alice)
  t.is(statSync(file).mode & 0o777, 0o600)
})

test('a symlink is read, and not replaced', async t => {
  const { environment, file, directory } = user(t)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(join(directory, 'real'), JSON.stringify({ keys: texts(alice) }))
  symlinkSync(join(directory, 'real'), file)
  t.is(listKeys(nodeHost, environment).length, 1)
  await t.throwsAsync(addKey(nodeHost, environment, bob), {
    code: 'SETTINGS_INVALID',
    message: /it is a symlink/,
  })
})

test('settings that are malformed are not edited', async t => {
  const { environment, file } = user(t, { keys: texts(alice), extra: 1 })
  await t.throwsAsync(addKey(nodeHost, environment, bob), { code: 'SETTINGS_INVALID' })
  t.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { keys: texts(alice), extra: 1 })
})

test('keys that are added at once are all there', async t => {
  const { environment } = user(t)
  const keys = Array.from({ length: 8 }, (_, index) => keyOf(`key-${index}`))
  await Promise.all(keys.map(key => addKey(nodeHost, environment, key)))
  t.deepEqual(
    listKeys(nodeHost, environment).map(key => key.name),
    keys.map(key => key.name),
  )
})

for (const how of ['halt', 'EIO', 'ENOSPC'] as const) {
  test(`whatever step of an edit fails with ${how}, the file is the old one or the new one`, async t => {
    // All but the lock, whose file halts its own release.
    const among: Change[] = ['writeNew', 'rename', 'sync']
    const faultOf = (at: number): Fault => ({ at, how, among })
    for (let at = 1; at <= 4; at++) {
      const { environment } = user(t, { keys: texts(alice) })
      await t.throwsAsync(addKey(faultyHost(nodeHost, faultOf(at)), environment, bob), {
        code: how,
      })
      const names = listKeys(nodeHost, environment).map(key => key.name)
      t.true(['alice', 'alice bob'].includes(names.join(' ')))
      await addKey(nodeHost, environment, bob)
      t.is(listKeys(nodeHost, environment).length, 2)
    }
  })
}

test('whatever stands in the settings, nothing but a MixosError is thrown', t => {
  const { settings, file } = user(t, {})
  const field = fc.constantFrom('url', 'priority', 'keys', 'threshold', 'x')
  const cache = fc.dictionary(field, fc.oneof(fc.jsonValue(), fc.webUrl(), fc.constant(['alice'])))
  const near = fc.record(
    { keys: fc.constant([key]), caches: fc.array(cache) },
    { requiredKeys: [] },
  )
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    near.map(data => JSON.stringify(data)),
  )
  fc.assert(
    fc.property(text, text => {
      writeFileSync(file, text)
      try {
        settings()
      } catch (error) {
        t.true(error instanceof MixosError && error.message.startsWith(`${file}: `), `${error}`)
      }
    }),
    { numRuns: 300 },
  )
})

/** A user and a project with those settings. */
function user(t: ExecutionContext, ofUser?: unknown, ofProject?: unknown) {
  const directory = memoryDirectory(t)
  const project = join(directory, 'project')
  const file = join(directory, 'config/mixos/caches.json')
  const environment = { XDG_CONFIG_HOME: join(directory, 'config') }
  for (const [path, data] of [
    [file, ofUser],
    [join(project, 'configs/caches.json'), ofProject],
  ] as const) {
    if (data === undefined) continue
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, JSON.stringify(data))
  }
  const settings = (...addresses: string[]) =>
    cacheSettings(nodeHost, { environment, project, addresses })
  return { directory, project, file, environment, settings }
}

function told({ caches }: CacheSettings): string[] {
  return caches.map(({ address, priority, source, policy }) => {
    const names = policy.keys.map(({ name }) => name).join(' ')
    return `${priority} ${address} ${source} ${policy.threshold} of ${names}`
  })
}
