import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { type Pin, parseLock } from '../../../graph/lock.ts'
import type { Wanted } from '../../../graph/wanted.ts'
import type { Event } from '../../../store/event.ts'
import type { Host } from '../../../store/host.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { type UpdateOptions, updateLock } from '../../../store/pins/lock-update.ts'
import { problemsOf } from '../../../store/pins/lock-wanted.ts'
import {
  type ArchiveSpec,
  type Key,
  MADE,
  makeKey,
  writeArchive,
} from '../../helpers/debian-archive.ts'
import { sha256 } from '../../helpers/http-server.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

const [key, stranger] = await Promise.all([makeKey(), makeKey()])

const archive: ArchiveSpec = {
  signers: [key],
  packages: {
    gcc: { Version: '14.2', Depends: 'libc' },
    libc: { Version: '2.41' },
    make: { Version: '4.4', Depends: 'libc' },
    unwanted: {},
  },
  sources: {
    'gcc-14': {
      version: '1:14.2.0-19',
      files: { 'gcc-14_14.2.0.orig.tar.gz': 'gcc', 'gcc-14.dsc': '' },
    },
    musl: {
      version: '1.2.5-3.1~deb13u1',
      files: {
        'musl_1.2.5.orig.tar.gz': 'musl',
        'musl_1.2.5-3.1~deb13u1.debian.tar.xz': 'patches',
      },
    },
  },
}
const wanted: Wanted = {
  suite: 'trixie',
  keyFingerprints: [key.fingerprint],
  seeds: { build: ['make', 'gcc'], small: ['libc'] },
  sources: {
    gcc: { debian: 'gcc-14', file: '.orig.tar.gz' },
    'musl-patches': { debian: 'musl', file: '.debian.tar.xz' },
  },
}

test('everything is pinned from the signed index, sorted, one pin a line', async t => {
  const { update, base } = await setUp(t)
  const { text, changes } = await update()
  const release = readFileSync(new URL(`${base}/dists/trixie/InRelease`))
  const hash = (content: string): string => sha256(Buffer.from(content))
  t.is(
    text,
    `{
  "version": 1,
  "pins": {
    "debian-index": {"version":"20260304T050607Z","hash":"${sha256(release)}","size":${release.length},"urls":["mirror://debian/dists/trixie/InRelease"]},
    "debian/gcc": {"version":"14.2","hash":"${hash('gcc')}","size":3,"urls":["mirror://debian/pool/main/g/gcc/gcc_14.2_all.deb"]},
    "debian/libc": {"version":"2.41","hash":"${hash('libc')}","size":4,"urls":["mirror://debian/pool/main/libc/libc/libc_2.41_all.deb"]},
    "debian/make": {"version":"4.4","hash":"${hash('make')}","size":4,"urls":["mirror://debian/pool/main/m/make/make_4.4_all.deb"]},
    "gcc": {"version":"14.2.0","hash":"${hash('gcc')}","size":3,"urls":["mirror://debian/pool/main/g/gcc-14/gcc-14_14.2.0.orig.tar.gz"]},
    "musl-patches": {"version":"1.2.5-3.1~deb13u1","hash":"${hash('patches')}","size":7,"urls":["mirror://debian/pool/main/m/musl/musl_1.2.5-3.1~deb13u1.debian.tar.xz"]}
  },
  "seeds": {
    "build": [
      "debian/gcc",
      "debian/libc",
      "debian/make"
    ],
    "small": [
      "debian/libc"
    ]
  }
}
`,
  )
  t.deepEqual(
    changes.map(({ name }) => name),
    ['debian-index', 'debian/gcc', 'debian/libc', 'debian/make', 'gcc', 'musl-patches'],
  )
  t.deepEqual(problemsOf(parseLock(text), wanted), [])
})

test('a second update changes nothing, and nothing temporary stays', async t => {
  const { update, scratch } = await setUp(t)
  const { text } = await update()
  t.deepEqual(await update({ lockText: text }), { text, changes: [], seedChanges: [] })
  t.deepEqual(nodeHost.files.list(scratch), [])
})

test('a seed that holds other pins, all of them there already, is told', async t => {
  const { update } = await setUp(t)
  const { text } = await update()
  const seeds = { build: ['make'], small: ['libc', 'gcc'] }
  const { changes, seedChanges, ...updated } = await update({
    lockText: text,
    wanted: { ...wanted, seeds },
    names: ['small', 'build'],
  })
  t.deepEqual(changes, [])
  t.deepEqual(seedChanges, [
    {
      name: 'build',
      before: ['debian/gcc', 'debian/libc', 'debian/make'],
      after: ['debian/libc', 'debian/make'],
    },
    { name: 'small', before: ['debian/libc'], after: ['debian/gcc', 'debian/libc'] },
  ])
  t.deepEqual(problemsOf(parseLock(updated.text), { ...wanted, seeds }), [])
})

test('a newer index moves pins; what is no longer wanted goes', async t => {
  const { update } = await setUp(t)
  const { text } = await update()
  const later = await setUp(t, {
    ...archive,
    date: MADE + 1000,
    packages: { ...archive.packages, libc: { Version: '2.42' } },
  })
  const { changes } = await later.update({
    lockText: text,
    wanted: { ...wanted, seeds: { build: ['gcc'] }, sources: {} },
  })
  t.deepEqual(
    changes.map(({ name, before, after }) => [name, before?.version, after?.version]),
    [
      ['debian-index', '20260304T050607Z', '20260304T050608Z'],
      ['debian/libc', '2.41', '2.42'],
      ['debian/make', '4.4', undefined],
      ['gcc', '14.2.0', undefined],
      ['musl-patches', '1.2.5-3.1~deb13u1', undefined],
    ],
  )
})

const newer: ArchiveSpec = {
  ...archive,
  date: MADE + 1000,
  packages: {
    ...archive.packages,
    libc: { Version: '2.42' },
    gcc: { Version: '15', Depends: 'libc (>= 2.42), libgcc' },
    libgcc: { Version: '15' },
  },
  sources: { 'gcc-14': { version: '14.3.0-1', files: { 'gcc-14_14.3.0.orig.tar.gz': 'gcc' } } },
}

test('an update of a source alone moves nothing else, and tells that the index is newer', async t => {
  const { text } = await (await setUp(t)).update()
  const { update, events } = await setUp(t, newer)
  const { changes, seedChanges } = await update({ lockText: text, names: ['gcc'] })
  t.deepEqual(
    changes.map(({ name }) => name),
    ['gcc'],
  )
  t.deepEqual(seedChanges, [])
  t.regex(warningsOf(events).join(), /index changed .*20260304T050607Z, now 20260304T050608Z/)
})

// Each holds the C library, which moves, or depends on one that does.
for (const name of ['small', 'build', 'libc', 'debian/gcc']) {
  test(`an update of ${name} alone moves what is in a seed with it, and no source`, async t => {
    const { text } = await (await setUp(t)).update()
    const { update, events } = await setUp(t, newer)
    const { changes, seedChanges } = await update({ lockText: text, names: [name] })
    t.deepEqual(
      changes.map(({ name, before, after }) => [name, before?.version, after?.version]),
      [
        ['debian/gcc', '14.2', '15'],
        ['debian/libc', '2.41', '2.42'],
        ['debian/libgcc', undefined, '15'],
      ],
    )
    t.deepEqual(seedChanges, [
      {
        name: 'build',
        before: ['debian/gcc', 'debian/libc', 'debian/make'],
        after: ['debian/gcc', 'debian/libc', 'debian/libgcc', 'debian/make'],
      },
    ])
    t.regex(warningsOf(events).join(), /index changed .*20260304T050607Z, now 20260304T050608Z/)
  })
}

test('an update of a seed whose packages are the same in a newer index moves no other seed', async t => {
  const { text } = await (await setUp(t)).update()
  const packages = { ...archive.packages, gcc: { Version: '15', Depends: 'libc' } }
  const { update } = await setUp(t, { ...archive, date: MADE + 1000, packages })
  t.deepEqual((await update({ lockText: text, names: ['small'] })).changes, [])
})

test('an update of a package that leaves a dependency unmet is refused, and names it', async t => {
  const { text } = await (await setUp(t)).update()
  const packages = { ...archive.packages, gcc: { Version: '15', Depends: 'libc (>= 2.42)' } }
  const { update } = await setUp(t, { ...archive, date: MADE + 1000, packages })
  await t.throwsAsync(update({ lockText: text, names: ['debian/gcc'] }), {
    code: 'LOCK_OUTDATED',
    message: /meets libc \(>= 2\.42\), which gcc needs/,
  })
})

test('a name that nothing has is NAME_UNKNOWN, with the nearest', async t => {
  const { update } = await setUp(t)
  const { text } = await update()
  for (const [name, nearest] of [
    ['gc', 'gcc'],
    ['debian/mak', 'debian/make'],
  ] as const) {
    const error = await t.throwsAsync<Error & { hint?: string }>(
      update({ lockText: text, names: [name] }),
      {
        code: 'NAME_UNKNOWN',
      },
    )
    t.regex(error?.hint ?? '', new RegExp(`did you mean ${nearest}\\?`))
  }
})

test('a lock that cannot be read is replaced by an update of everything only', async t => {
  const { update } = await setUp(t)
  await t.throwsAsync(update({ lockText: '{', names: ['gcc'] }), { code: 'LOCK_INVALID' })
  t.deepEqual(await update({ lockText: '{' }), await update())
})

const bad: [string, Partial<ArchiveSpec>, RegExp][] = [
  [
    'signed by a stranger whose key is in the ring too',
    { signers: [stranger], keys: [key, stranger] },
    new RegExp(`signed by ${subkeyOf(stranger)}, expected a good signature by ${key.fingerprint}`),
  ],
  [
    'without the trusted key in its ring',
    { signers: [stranger] },
    new RegExp(`expected ${key.fingerprint}, found ${stranger.fingerprint}`),
  ],
  [
    'changed after signing',
    { tamper: text => text.replace('Codename: trixie', 'Codename: trixie\nX: y') },
    /good signature/,
  ],
  ['not signed at all', { tamper: () => 'Codename: trixie\n' }, /cannot be read/],
  ['expired', { release: { 'Valid-Until': new Date(MADE + 500).toUTCString() } }, /expired/],
  ['valid until nobody knows when', { release: { 'Valid-Until': 'tomorrow' } }, /expired/],
  ['of another suite', { release: { Codename: 'sid' } }, /is that of "sid"/],
  ['without a date', { release: { Date: 'today' } }, /no date/],
  ['signed in the future', { date: MADE + 86_400_000 }, /good signature/],
]

for (const [what, change, message] of bad) {
  test(`an index that is ${what} is SIGNATURE_INVALID`, async t => {
    const { update } = await setUp(t, { ...archive, ...change })
    await t.throwsAsync(update(), { code: 'SIGNATURE_INVALID', message })
  })
}

test('one good signature among others is enough', async t => {
  const { update } = await setUp(t, { ...archive, signers: [stranger, key] })
  await t.notThrowsAsync(update())
})

test("an index older than the lock's is SIGNATURE_INVALID, with both dates", async t => {
  const { text } = await (await setUp(t)).update()
  const { update } = await setUp(t, { ...archive, date: MADE - 1000 })
  await t.throwsAsync(update({ lockText: text }), {
    code: 'SIGNATURE_INVALID',
    message: /20260304T050606Z.*20260304T050607Z/,
  })
})

test("a mirror whose index is older than the lock's is warned of and passed over", async t => {
  const { update, base, events } = await setUp(t)
  const { text } = await update()
  const stale = await setUp(t, { ...archive, date: MADE - 1000 })
  const mirrors = { debian: [stale.base, base] }
  t.deepEqual((await update({ lockText: text, mirrors })).changes, [])
  const [warning, ...others] = warningsOf(events)
  t.is(
    warning,
    `the index of trixie at ${stale.base}/ is from 20260304T050606Z, the lock was made from a newer one of 20260304T050607Z`,
  )
  t.deepEqual(others, [])
})

test('an index file that the signature does not cover is not used', async t => {
  const { update, base } = await setUp(t)
  const sources = new URL(`${base}/dists/trixie/main/source/Sources.xz`)
  writeFileSync(sources, readFileSync(sources).reverse())
  await t.throwsAsync(update(), { code: 'HASH_MISMATCH', message: /Sources\.xz/ })
})

test('a mirror with a bad index is warned of and passed over', async t => {
  const { update, base, events } = await setUp(t)
  const other = await setUp(t, { ...archive, signers: [stranger] })
  const absent = 'file:///nowhere/debian'
  await t.notThrowsAsync(update({ mirrors: { debian: [absent, other.base, base] } }))
  const [first, second] = warningsOf(events)
  t.regex(first ?? '', /\/nowhere\/debian\/dists\/trixie\/InRelease: there is no such file/)
  t.regex(second ?? '', new RegExp(`found ${stranger.fingerprint}`))
})

test('a dependency, a source or a file that the index lacks is told', async t => {
  const { update } = await setUp(t)
  const sources = { gcc: { debian: 'gcc-15', file: '.orig.tar.gz' } }
  await t.throwsAsync(update({ wanted: { ...wanted, sources } }), {
    code: 'LOCK_OUTDATED',
    message: /no file \*\.orig\.tar\.gz of source gcc-15/,
  })
  await t.throwsAsync(update({ wanted: { ...wanted, seeds: { build: ['clang'] } } }), {
    code: 'NAME_UNKNOWN',
    message: /"clang"/,
  })
})

test('a source of a given version is pinned by what its URLs serve', async t => {
  const { update } = await setUp(t)
  const url = fileWith(t, 'upstream')
  const source = { version: '6.6.8', urls: [url] }
  const { text } = await update({ wanted: { ...wanted, seeds: {}, sources: { linux: source } } })
  const { linux } = parseLock(text).pins
  t.deepEqual(linux, {
    name: 'linux',
    version: '6.6.8',
    urls: [url],
    hash: sha256(Buffer.from('upstream')),
    size: 8,
  })
})

test('URLs with different bytes are HASH_MISMATCH, with both', async t => {
  const { update } = await setUp(t)
  const urls = [fileWith(t, 'one'), fileWith(t, 'other')]
  const sources = { linux: { version: '6.6.8', urls } }
  const error = await t.throwsAsync(update({ wanted: { ...wanted, sources } }), {
    code: 'HASH_MISMATCH',
  })
  for (const part of [...urls, sha256(Buffer.from('one')), sha256(Buffer.from('other'))]) {
    t.true(error?.message.includes(part))
  }
})

test("upstream's URL with other bytes than the signed index has is HASH_MISMATCH", async t => {
  const { update } = await setUp(t)
  const urls = [fileWith(t, 'not musl')]
  const sources = { musl: { debian: 'musl', file: '.orig.tar.gz', urls } }
  await t.throwsAsync(update({ wanted: { ...wanted, sources } }), {
    code: 'HASH_MISMATCH',
    message: /the signed index/,
  })
})

test("upstream's URL that does not answer is warned of, and pinned first", async t => {
  const { update, events } = await setUp(t)
  const urls = ['https://upstream.example/musl-{version}.tar.gz']
  const sources = { musl: { debian: 'musl', file: '.orig.tar.gz', urls } }
  const { text } = await update({ wanted: { ...wanted, sources } })
  t.deepEqual(parseLock(text).pins.musl?.urls, [
    'https://upstream.example/musl-1.2.5.tar.gz',
    'mirror://debian/pool/main/m/musl/musl_1.2.5.orig.tar.gz',
  ])
  t.regex(
    warningsOf(events).join(),
    /cannot check https:\/\/upstream\.example\/musl-1\.2\.5\.tar\.gz: /,
  )
  t.deepEqual(problemsOf(parseLock(text), { ...wanted, sources }), [])
})

const differences: [string, Partial<Wanted>, RegExp][] = [
  [
    'a new source',
    { sources: { ...wanted.sources, new: { version: '1', urls: ['file:///x'] } } },
    /^new is not pinned$/,
  ],
  ['a new seed', { seeds: { ...wanted.seeds, more: ['libc'] } }, /^seed more is not resolved$/],
  [
    'a new package',
    { seeds: { ...wanted.seeds, small: ['libc', 'bash'] } },
    /^seed small lacks bash$/,
  ],
  ['a seed less', { seeds: { build: ['gcc', 'make'] } }, /^seed small is not wanted$/],
  [
    'a source less',
    { sources: { gcc: wanted.sources.gcc as never } },
    /^musl-patches is pinned and not wanted$/,
  ],
  [
    'another version',
    { sources: { ...wanted.sources, gcc: { version: '15', urls: ['file:///x'] } } },
    /^gcc is pinned at 14\.2\.0, wanted is 15$/,
  ],
  [
    'another URL',
    {
      sources: {
        ...wanted.sources,
        gcc: { debian: 'gcc-14', file: '.orig.tar.gz', urls: ['file:///x'] },
      },
    },
    /^gcc is pinned with other URLs$/,
  ],
  [
    'another file',
    { sources: { ...wanted.sources, gcc: { debian: 'gcc-14', file: '.orig.tar.xz' } } },
    /^gcc is pinned at another file than \.orig\.tar\.xz$/,
  ],
]

for (const [what, change, problem] of differences) {
  test(`a check of the lock tells of ${what}`, async t => {
    const { text } = await (await setUp(t)).update()
    const problems = problemsOf(parseLock(text), { ...wanted, ...change })
    t.is(problems.length, 1)
    t.regex(problems[0]?.text ?? '', problem)
  })
}

const tampered: [what: string, pin: string, url: string, problem: string][] = [
  [
    "a source at another place of Debian's",
    'gcc',
    'mirror://debian/pool/evil/gcc-14_14.2.0.orig.tar.gz',
    "gcc is pinned at another place than Debian's for gcc-14_14.2.0.orig.tar.gz",
  ],
  [
    'a source in another version of Debian',
    'musl-patches',
    'mirror://debian/pool/main/m/musl/musl_1.2.4-1.debian.tar.xz',
    "musl-patches is pinned at another place than Debian's for musl_1.2.5-3.1~deb13u1.debian.tar.xz",
  ],
  [
    'a package from elsewhere',
    'debian/libc',
    'https://evil.example/pool/main/libc/libc/libc_2.41_all.deb',
    "debian/libc is pinned at another place than Debian's for libc_2.41_*.deb",
  ],
  [
    'a package in another version',
    'debian/libc',
    'mirror://debian/pool/main/libc/libc/libc_2.40_all.deb',
    "debian/libc is pinned at another place than Debian's for libc_2.41_*.deb",
  ],
]

for (const [what, pin, url, text] of tampered) {
  test(`a check of the lock tells of ${what} under an old hash`, async t => {
    const lock = parseLock((await (await setUp(t)).update()).text)
    const pins = { ...lock.pins, [pin]: { ...(lock.pins[pin] as Pin), urls: [url] } }
    t.deepEqual(problemsOf({ ...lock, pins }, wanted), [{ name: pin, text }])
  })
}

test('a check of the lock knows packages with an epoch, and those of a source of another name', async t => {
  const { text } = await (await setUp(t)).update()
  const lock = parseLock(text)
  const urls = ['mirror://debian/pool/main/libc/libcool/libc_2.41-1_amd64.deb']
  const libc = { ...(lock.pins['debian/libc'] as Pin), version: '2:2.41-1', urls }
  t.deepEqual(problemsOf({ ...lock, pins: { ...lock.pins, 'debian/libc': libc } }, wanted), [])
})

function fileWith(t: ExecutionContext, content: string): string {
  const path = join(tempDirectory(t), 'file')
  writeFileSync(path, content)
  return pathToFileURL(path).href
}

function subkeyOf({ key }: Key): string {
  return key.getSubkeys()[0]?.getKeyID().toHex().toUpperCase() ?? ''
}

function warningsOf(events: readonly Event[]): string[] {
  return events.flatMap(event => (event.type === 'warning' ? [event.message] : []))
}

async function setUp(t: ExecutionContext, spec: ArchiveSpec = archive) {
  const base = await writeArchive(tempDirectory(t), spec)
  const scratch = tempDirectory(t)
  const events: Event[] = []
  const update = (options: Partial<UpdateOptions> = {}) =>
    updateLock({
      host: offline,
      lockText: undefined,
      wanted,
      names: [],
      mirrors: { debian: [base] },
      scratch,
      signal: new AbortController().signal,
      report: event => events.push(event),
      ...options,
    })
  return { base, scratch, events, update }
}

/** A machine without a network, some seconds after the archives were made. */
const offline: Host = {
  ...nodeHost,
  now: () => MADE + 5000,
  network: {
    request: async () => {
      throw Object.assign(new Error('no network'), { code: 'ENOTFOUND' })
    },
  },
}
