import test from 'ava'
import fc from 'fast-check'
import {
  comparePaths,
  type Entry,
  hashManifest,
  isEntryName,
  type Manifest,
  parseManifest,
  SELF_PLACEHOLDER,
  sizeOf,
} from '../../graph/manifest.ts'
import { type ObjectHash, type StorePath, storePathOf } from '../../graph/store-path.ts'

const hash = 'ab'.repeat(32)
const referenceTo = (digit: string): StorePath =>
  storePathOf(digit.repeat(64) as ObjectHash, `lib${digit}-1`)

const manifest = {
  label: 'hello-1.0',
  references: [referenceTo('1'), referenceTo('2')],
  entries: [
    { path: '', type: 'directory' },
    { path: 'bin', type: 'directory' },
    { path: 'bin/hello', type: 'file', executable: true, size: 100, hash, self: [4, 40] },
    { path: 'bin/hi', type: 'symlink', target: 'hello' },
    { path: 'etc', type: 'symlink', target: `x/${SELF_PLACEHOLDER}/etc`, self: [2] },
    { path: 'readme', type: 'file', executable: false, size: 20, hash },
  ],
} as const satisfies Manifest

test('a manifest comes back from JSON as it was', t => {
  t.deepEqual(parseManifest(JSON.parse(JSON.stringify(manifest)), 'here'), manifest)
})

test('an object may be a single file or a symlink', t => {
  for (const entry of [
    { path: '', type: 'file', executable: false, size: 0, hash },
    { path: '', type: 'symlink', target: 'a' },
  ]) {
    const alone = { label: 'a-1', references: [], entries: [entry] }
    t.deepEqual(parseManifest(alone, 'here'), alone as Manifest)
  }
})

test('the size of an object is the bytes of its files', t => {
  t.is(sizeOf(manifest), 120)
  t.is(sizeOf({ ...manifest, entries: [{ path: '', type: 'directory' }] }), 0)
})

test('any manifest comes back from JSON as it was, with the same hash', t => {
  fc.assert(
    fc.property(manifests(), manifest => {
      const parsed = parseManifest(JSON.parse(JSON.stringify(manifest)), 'here')
      t.deepEqual(parsed, manifest)
      return hashManifest(parsed) === hashManifest(manifest)
    }),
  )
})

test('two manifests have one hash exactly if they are equal', t => {
  fc.assert(
    fc.property(manifests(), manifests(), (a, b) => {
      const areEqual = JSON.stringify(a) === JSON.stringify(b)
      return areEqual === (hashManifest(a) === hashManifest(b))
    }),
  )
  t.pass()
})

const [root, bin, hello, hi, etc, readme] = manifest.entries
const changes: Record<string, Partial<Manifest>> = {
  label: { label: 'hello-1.1' },
  'a reference': { references: [referenceTo('1'), referenceTo('3')] },
  'a reference less': { references: [referenceTo('1')] },
  'an entry less': { entries: [root, bin, hello, hi, etc] },
  'the path of an entry': withEntry(readme, { path: 'readmf' }),
  'the executable bit': withEntry(readme, { executable: true }),
  size: withEntry(readme, { size: 21 }),
  'the bytes': withEntry(readme, { hash: 'cd'.repeat(32) }),
  'the target of a symlink': withEntry(hi, { target: 'hallo' }),
  'a file that becomes a symlink to its hash': withEntry(readme, { type: 'symlink', target: hash }),
  'where its own digest stands': withEntry(hello, { self: [4, 41] }),
  'whether its own digest stands there': withEntry(hello, { self: undefined }),
  'one place for two': withEntry(hello, { self: [4] }),
}

for (const [what, change] of Object.entries(changes)) {
  test(`a change of ${what} changes the hash`, t => {
    t.not(hashManifest({ ...manifest, ...change }), hashManifest(manifest))
  })
}

const directory = { path: '', type: 'directory' }
const file = { path: 'a', type: 'file', executable: false, size: 64, hash }
const link = { path: 'a', type: 'symlink', target: 'b' }

const refused: Record<string, readonly [change: object, message: string]> = {
  'a label that leads elsewhere': [{ label: '../a' }, 'here: invalid label "../a"'],
  'no label': [{ label: undefined }, 'invalid label nothing'],
  'references that are no list': [{ references: {} }, 'expected a list'],
  'a reference that is no store path': [{ references: ['a'] }, 'invalid reference "a"'],
  'a reference with its directory': [
    { references: [`/mix/store/${referenceTo('1')}`] },
    'invalid reference "/mix/store/',
  ],
  'a reference that is a number': [{ references: [1] }, 'invalid reference 1'],
  'references out of order': [
    { references: [referenceTo('2'), referenceTo('1')] },
    'references are not sorted at 2',
  ],
  'a reference twice': [
    { references: [referenceTo('1'), referenceTo('1')] },
    'references are not sorted',
  ],
  'no entries': [{ entries: [] }, 'it has no entries'],
  'entries that are no list': [{ entries: null }, 'expected a list'],
  'an entry that is null': [{ entries: [null] }, 'an entry is not an object'],
  'an entry that is a list': [{ entries: [[]] }, 'an entry is not an object'],
  'an entry without a path': [{ entries: [{ type: 'directory' }] }, 'an entry has no path'],
  'an object that has no entry of its own': [
    { entries: [file] },
    'the first entry is not the object itself',
  ],
  'an entry twice': [{ entries: [directory, file, file] }, 'entries are not sorted at a'],
  'entries out of order': [
    { entries: [directory, { ...file, path: 'b' }, file] },
    'entries are not sorted at a',
  ],
  'an entry without its directory': [
    { entries: [directory, { ...file, path: 'a/b' }] },
    'a/b has no parent directory',
  ],
  'an entry below a file': [
    { entries: [directory, file, { ...file, path: 'a/b' }] },
    'a/b has no parent directory',
  ],
  'an entry below a symlink': [
    { entries: [directory, link, { ...file, path: 'a/b' }] },
    'a/b has no parent directory',
  ],
  'an entry below an object that is a file': [
    {
      entries: [
        { ...file, path: '' },
        { ...file, path: 'b' },
      ],
    },
    'b has no parent directory',
  ],
  'an unknown type': [withSecond({ path: 'a', type: 'fifo' }), 'a: unknown type "fifo"'],
  'a type that every object has': [withSecond({ path: 'a', type: 'toString' }), 'unknown type'],
  'a directory with a size': [
    withSecond({ path: 'a', type: 'directory', size: 1 }),
    'unknown field',
  ],
  'a file with a mode': [withSecond({ ...file, mode: 0o4755 }), 'a: unknown field among'],
  'a file with a target': [withSecond({ ...file, target: 'b' }), 'unknown field'],
  'a file that is perhaps executable': [
    withSecond({ ...file, executable: 1 }),
    'a: executable is not a boolean',
  ],
  'a negative size': [withSecond({ ...file, size: -1 }), 'a: invalid size -1'],
  'half a byte': [withSecond({ ...file, size: 0.5 }), 'a: invalid size 0.5'],
  'a size too large to count': [withSecond({ ...file, size: 2 ** 53 }), 'a: invalid size'],
  'a size that is a text': [withSecond({ ...file, size: '1' }), 'a: invalid size "1"'],
  'a hash in capitals': [withSecond({ ...file, hash: hash.toUpperCase() }), 'a: invalid hash'],
  'a hash that is too short': [withSecond({ ...file, hash: 'ab' }), 'a: invalid hash'],
  'an empty target': [withSecond({ ...link, target: '' }), 'a: invalid symlink target'],
  'a target with a NUL byte': [withSecond({ ...link, target: 'b\0' }), 'invalid symlink target'],
  'a target too long for a symlink': [
    withSecond({ ...link, target: 'é'.repeat(2048) }),
    'invalid symlink target',
  ],
  'no offsets, listed': [withSecond({ ...file, self: [] }), 'a: a list of no offsets'],
  'offsets that are no list': [withSecond({ ...file, self: 4 }), 'expected a list'],
  'a negative offset': [withSecond({ ...file, self: [-1] }), 'a: invalid offset -1'],
  'an offset that is a text': [withSecond({ ...file, self: ['4'] }), 'a: invalid offset "4"'],
  'offsets out of order': [withSecond({ ...file, self: [32, 0] }), 'a: invalid offset 0'],
  'offsets that overlap': [withSecond({ ...file, self: [0, 31] }), 'a: invalid offset 31'],
  'an offset too near the end': [withSecond({ ...file, self: [33] }), 'a: invalid offset 33'],
  'an offset in a target without the placeholder': [
    withSecond({ ...link, target: 'b'.repeat(40), self: [0] }),
    'a: invalid offset 0',
  ],
}

for (const path of ['..', '.', 'a/..', '../a', '/a', '/', 'a//b', 'a/', 'a\0', 'a\nb', '\ud800']) {
  refused[`the path ${JSON.stringify(path)}`] = [
    withSecond({ ...file, path }),
    `invalid path ${JSON.stringify(path)}`,
  ]
}

for (const [what, [change, message]] of Object.entries(refused)) {
  test(`${what} is refused`, t => {
    const data = { label: 'a-1', references: [], entries: [directory, file], ...change }
    const error = t.throws(() => parseManifest(data, 'here'), { code: 'RECORD_INVALID' })
    t.true(error?.message.startsWith('here: '))
    t.true(error?.message.includes(message), error?.message)
  })
}

test('what is no object is no manifest', t => {
  for (const data of [undefined, null, 1, 'a', []]) {
    t.throws(() => parseManifest(data, 'here'), { message: 'here: expected an object' })
  }
})

test('whatever JSON is read, the answer is a manifest or RECORD_INVALID', t => {
  const shaped = fc.record(
    {
      label: fc.oneof(fc.constant('a-1'), fc.jsonValue()),
      references: fc.oneof(fc.constant([]), fc.jsonValue()),
      entries: fc.oneof(fc.constant([directory]), fc.jsonValue(), fc.array(fc.jsonValue())),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.oneof(shaped, fc.jsonValue()), data => {
      try {
        hashManifest(parseManifest(data, 'here'))
      } catch (error) {
        t.is((error as { code?: unknown }).code, 'RECORD_INVALID', String(error))
      }
    }),
  )
  t.pass()
})

test('paths compare like their UTF-8 bytes', t => {
  const texts = fc.string({ unit: 'grapheme' })
  const sign = (text: string, other: string) =>
    Buffer.compare(Buffer.from(text), Buffer.from(other))
  t.is(comparePaths('\u{1f600}', '\uffee'), 1)
  fc.assert(fc.property(texts, texts, (a, b) => comparePaths(a, b) === sign(a, b)))
})

test('the name of an entry is one part of a path, of text that every file system takes', t => {
  for (const name of ['a', '.a', '...', 'a b', 'ä', '\u{1f600}', '-', 'a'.repeat(255)]) {
    t.true(isEntryName(name), name)
  }
  for (const name of [
    '',
    '.',
    '..',
    'a/b',
    '\0',
    'a\n',
    '\x7f',
    '\udfff',
    'a'.repeat(256),
    'é'.repeat(128),
  ]) {
    t.false(isEntryName(name), JSON.stringify(name))
  }
})

function withEntry(entry: Entry, change: object): Partial<Manifest> {
  const changed = { ...entry, ...change } as Entry
  return { entries: manifest.entries.map(other => (other === entry ? changed : other)) }
}

function withSecond(entry: object): object {
  return { entries: [directory, entry] }
}

function manifests(): fc.Arbitrary<Manifest> {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 }).filter(isEntryName)
  const target = fc.string({ unit: 'grapheme', minLength: 1 }).filter(text => !text.includes('\0'))
  const leaf = fc.oneof(
    fc.record({ type: fc.constant('directory' as const) }),
    fc.record({ type: fc.constant('symlink' as const), target }),
    fc.record({
      type: fc.constant('file' as const),
      executable: fc.boolean(),
      size: fc.maxSafeNat(),
      hash: fc.stringMatching(/^[0-9a-f]{64}$/),
    }),
    fc.record({
      type: fc.constant('file' as const),
      executable: fc.boolean(),
      size: fc.constant(64),
      hash: fc.stringMatching(/^[0-9a-f]{64}$/),
      self: fc.constantFrom([0], [32], [0, 32], [7]),
    }),
  )
  const trees = fc.array(fc.tuple(fc.array(name, { minLength: 1, maxLength: 3 }), leaf), {
    maxLength: 6,
  })
  return fc.record({
    label: fc.stringMatching(/^[a-z0-9][a-z0-9.+_-]{0,10}$/),
    references: fc
      .uniqueArray(fc.constantFrom(...'0123456789abcdf').map(referenceTo))
      .map(list => list.sort()),
    entries: trees.map(entriesOf),
  })
}

/** The leaves with the directories above them; what is in the way of an earlier one is left out. */
function entriesOf(leaves: readonly (readonly [string[], object])[]): Entry[] {
  const entries = new Map<string, Entry>([['', { path: '', type: 'directory' }]])
  for (const [names, leaf] of leaves) {
    const above = names.slice(0, -1).map((_, index) => names.slice(0, index + 1).join('/'))
    if (above.some(path => (entries.get(path)?.type ?? 'directory') !== 'directory')) continue
    for (const path of above) entries.set(path, { path, type: 'directory' })
    const path = names.join('/')
    if (!entries.has(path)) entries.set(path, { path, ...leaf } as Entry)
  }
  return [...entries.values()].sort((a, b) => comparePaths(a.path, b.path))
}
