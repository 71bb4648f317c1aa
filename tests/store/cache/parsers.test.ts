import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { MixosError } from '../../../graph/error.ts'
import {
  comparePaths,
  type Entry,
  hashManifest,
  type Manifest,
  SELF_PLACEHOLDER,
} from '../../../graph/manifest.ts'
import {
  absolute,
  type DerivationHash,
  type Digest,
  digestOfPath,
  type ObjectHash,
  type ResolvedHash,
  type StorePath,
  storePathOf,
} from '../../../graph/store-path.ts'
import { checkInfo, INFO } from '../../../store/cache/info.ts'
import {
  FRAME_BYTES,
  type Frame,
  filesOf,
  formatIndex,
  type ObjectIndex,
  type Placed,
  parseAnyIndex,
  parseIndex,
} from '../../../store/cache/object-index.ts'
import { push } from '../../../store/cache/push.ts'
import { restore } from '../../../store/cache/restore.ts'
import { cacheSettings } from '../../../store/cache/settings.ts'
import {
  formatSignedTrace,
  signTrace,
  unverifiedTrace,
  verifySignedTrace,
} from '../../../store/cache/signed-trace.ts'
import type { WritableStorage } from '../../../store/cache/storage.ts'
import { memoryStorage } from '../../../store/cache/storages/memory.ts'
import { workersOn } from '../../../store/cache/workers.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { slotsOf } from '../../../store/slots.ts'
import { openStore, type Store } from '../../../store/store.ts'
import { verify } from '../../../store/verify.ts'
import { fixedKey } from '../../helpers/fault-proxy.ts'
import { noise } from '../../helpers/http-server.ts'
import { addTree, memoryDirectory, writeTree } from '../../helpers/temp-store.ts'

const { signal } = new AbortController()
const key = fixedKey('signer', '4')
const hash = 'd'.repeat(64) as DerivationHash
const NOW = Date.parse('2026-11-23T08:00:00Z')

test('every index is read as it was written', t => {
  fc.assert(
    fc.property(indexes(), index => {
      const bytes = Buffer.from(formatIndex(index))
      t.deepEqual(parseIndex(bytes, index.path, 'here'), index)
      t.deepEqual(parseAnyIndex(bytes, 'here'), index)
    }),
    { numRuns: 150 },
  )
})

test('an index that was changed is CACHE_INVALID, or means what its hash says', t => {
  let [refused, accepted] = [0, 0]
  fc.assert(
    fc.property(indexes(), changes(), (index, change) => {
      const text = formatIndex(index)
      const bytes = change(text)
      const read = attempt(t, ['CACHE_INVALID'], () => parseAnyIndex(bytes, 'here'))
      const wanted = attempt(t, ['CACHE_INVALID'], () => parseIndex(bytes, index.path, 'here'))
      if (!read) {
        refused++
        return t.is(wanted, undefined)
      }
      accepted++
      t.is(hashManifest(read.manifest), read.hash)
      t.is(storePathOf(read.hash, read.manifest.label), read.path)
      t.deepEqual(parseAnyIndex(Buffer.from(formatIndex(read)), 'here'), read)
      if (wanted) t.deepEqual(wanted.manifest, index.manifest)
    }),
    { numRuns: 1000 },
  )
  t.true(refused > 100 && accepted > 10, `${refused} refused, ${accepted} accepted`)
})

for (const unit of ['[],', '{},', '[0],', '{"":0},', '[[[[[[],[],[]]]]]],']) {
  test(`an index full of ${unit} is refused before it takes ten times its size`, t => {
    const text = formatIndex(indexOf([])).trimEnd().slice(0, -1)
    const bytes = Buffer.from(`${text},"more":[${unit.repeat((1 << 20) / unit.length)}0]}`)
    t.throws(() => parseAnyIndex(bytes, 'here'), {
      code: 'CACHE_INVALID',
      message: 'here: it has more lists and fields than an index of its size',
    })
  })
}

test('an index of files that claim all frames is refused as quickly as another', t => {
  const timed = (size: number): number => {
    const bytes = claiming({ files: 1000, frames: 100_000, size })
    const began = performance.now()
    attempt(t, ['CACHE_INVALID'], () => parseIndex(bytes, indexOf([]).path, 'here'))
    return performance.now() - began
  }
  timed(1)
  const [honest, hostile] = [timed(1), timed(100_000 * FRAME_BYTES)]
  t.true(hostile < 8 * honest, `${Math.round(hostile)} ms, the other took ${Math.round(honest)} ms`)
})

test('a changed mixos-cache.json is refused, unless it says the same', async t => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(changes(), garbage()), async change => {
      const bytes = change(INFO)
      const codes = ['CACHE_INVALID', 'CACHE_FOREIGN']
      if (!(await attempt(t, codes, () => checkInfo(holding('mixos-cache.json', bytes), signal))))
        return
      const { format, store } = JSON.parse(bytes.toString())
      t.deepEqual([format, store], ['mixos-cache-1', '/mix/store'])
    }),
    { numRuns: 1000 },
  )
})

test('a changed trace is refused', t => {
  const text = trace()
  const options = { hash, key: key.public, now: NOW, where: 'here' }
  fc.assert(
    fc.property(fc.oneof(changes(), garbage()), change => {
      const bytes = change(text)
      if (bytes.equals(Buffer.from(text))) return
      const codes = ['CACHE_INVALID', 'SIGNATURE_INVALID']
      const read = attempt(t, codes, () => verifySignedTrace(bytes, options))
      t.is(read, undefined)
      attempt(t, codes, () => unverifiedTrace(bytes, options))
    }),
    { numRuns: 1000 },
  )
})

for (const [what, read, depth, text] of [
  ['mixos-cache.json', readInfo, 1900, INFO],
  ['a trace', readTrace, 30_000, trace()],
  ['an index', readIndex, 100_000, formatIndex(indexOf([]))],
] as const) {
  for (const field of Object.keys(JSON.parse(text))) {
    test(`${what} whose ${field} is nested without end, or long, or for a terminal, is refused in few words`, async t => {
      const data = JSON.parse(text)
      const put = (json: string): Buffer =>
        Buffer.from(
          JSON.stringify({ ...data, [field]: 0 }).replace(`"${field}":0`, `"${field}":${json}`),
        )
      const values = [
        '['.repeat(depth) + ']'.repeat(depth),
        `${'{"a":'.repeat(depth / 4)}1${'}'.repeat(depth / 4)}`,
        JSON.stringify('long '.repeat(depth / 5)),
        JSON.stringify('\u009b2J\u202e\u001b[2J\n'),
        JSON.stringify(['\u009b2J\n', { '\u001b[2J': '\u009b' }]),
      ]
      const codes = ['CACHE_INVALID', 'CACHE_FOREIGN', 'SIGNATURE_INVALID']
      for (const value of values) t.falsy(await attempt(t, codes, () => read(put(value))))
    })
  }
}

test('an object restored by a changed index is the wanted one or none, and nothing else changes', async t => {
  const directory = memoryDirectory(t)
  const { store: theirs, path, files } = await pushedObject(t)
  const name = `object/${digestOfPath(path)}.json`
  const text = Buffer.from(files.get(name) as Uint8Array).toString()
  const canary = join(directory, 'canary')
  writeTree(canary, { a: 'a', 'b/c': 'c', link: { symlink: 'a' } })
  const store = openStore({ directory: join(directory, 'mixos'), host: nodeHost })
  await using workers = workersOn(nodeHost, { threads: false })
  const options = {
    workers,
    downloads: slotsOf(4),
    signal,
    siblings: () => [],
    onBytes: () => undefined,
  }
  const before = treeOf(canary)
  let [restored, refused] = [0, 0]
  const restoreFrom = async (index: ObjectIndex): Promise<void> => {
    const prepared = await attempt(t, ['CACHE_INVALID', 'CACHE_INCOMPLETE'], () =>
      restore(store, memoryStorage(files), index, options),
    )
    if (prepared) restored++
    else refused++
    t.deepEqual(treeOf(canary), before)
    if (!prepared) {
      t.deepEqual(readdirSync(store.layout.scratch), [])
      return
    }
    if (index.path !== path) return prepared.discard()
    await prepared.commit()
    t.deepEqual((await verify(store, { paths: [path] })).problems.filter(isOfBytes), [])
    t.deepEqual(store.record(path), theirs.record(path))
    nodeHost.files.unlink(store.layout.record(digestOfPath(path)))
  }
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 1, arbitrary: changes() }, { weight: 3, arbitrary: placeChanges() }),
      async change => {
        const bytes = change(text)
        // Also of another object, which whoever verifies a whole cache restores.
        const index = attempt(t, ['CACHE_INVALID'], () => parseAnyIndex(bytes, 'here'))
        if (index) await restoreFrom(index)
      },
    ),
    { numRuns: 300 },
  )
  t.true(restored > 10 && refused > 2, `${restored} restored, ${refused} refused`)
  t.deepEqual(readdirSync(directory).sort(), ['canary', 'mixos'])
  t.deepEqual(readdirSync(store.layout.scratch), [])
})

test('whatever a file of settings holds, it is read or refused with a name', t => {
  const home = memoryDirectory(t)
  const project = memoryDirectory(t)
  const user = join(home, 'mixos', 'caches.json')
  const own = join(project, 'configs', 'caches.json')
  for (const path of [user, own]) mkdirSync(join(path, '..'), { recursive: true })
  const { name, base64 } = key.public
  const caches = [{ url: 'https://cache.example/', priority: 10 }, { url: '/srv/cache' }]
  const rule = { url: 'https://other.example/', keys: [name], threshold: 1 }
  const honest = {
    user: JSON.stringify({ keys: [`${name}:${base64}`], caches: [...caches, rule] }),
    project: JSON.stringify({ caches }),
  }
  const nested = (text: string): Buffer =>
    Buffer.from(text.replace('10', '['.repeat(20_000) + ']'.repeat(20_000)))
  const change = fc.oneof(changes(), garbage(), fc.constant(nested), fc.constant(brokenAddress))
  fc.assert(
    fc.property(fc.boolean(), change, (isUser, change) => {
      writeFileSync(user, isUser ? change(honest.user) : honest.user)
      writeFileSync(own, isUser ? honest.project : change(honest.project))
      const codes = ['SETTINGS_INVALID', 'KEY_INVALID']
      const environment = { XDG_CONFIG_HOME: home }
      const read = attempt(t, codes, () => cacheSettings(nodeHost, { environment, project }))
      for (const { policy } of read?.caches ?? []) {
        t.true(policy.threshold >= 1 && policy.threshold <= policy.keys.length)
        // Whom to trust is the user's alone.
        if (!isUser)
          t.deepEqual(
            policy.keys.map(({ id }) => id),
            [key.public.id],
          )
      }
    }),
    { numRuns: 500 },
  )
})

/** An address with half of a character in it, which JSON can hold. */
const brokenAddress = (text: string): Buffer =>
  Buffer.from(text.replace('/srv/cache', '/srv/\\ud800'))

test('what is wrong with a place in an index is told in few words', t => {
  const index = indexOf([{ name: 'a', size: 5, executable: false, isNaming: false }])
  const data = JSON.parse(formatIndex(index))
  const long = 'long '.repeat(100_000)
  for (const field of [long, '\u009b2J\u001b[2J\n', '\u202e']) {
    const bytes = Buffer.from(
      JSON.stringify({ ...data, files: [{ ...data.files[0], [field]: 1 }] }),
    )
    t.falsy(attempt(t, ['CACHE_INVALID'], () => parseIndex(bytes, index.path, 'here')))
  }
  for (const path of ['\u202e', Array(2000).fill('a'.repeat(200)).join('/')]) {
    const entries = [data.entries[0], { ...data.entries[1], path }]
    const bytes = Buffer.from(JSON.stringify({ ...data, entries, files: [{}] }))
    t.falsy(attempt(t, ['CACHE_INVALID'], () => parseIndex(bytes, index.path, 'here')))
  }
})

async function readInfo(bytes: Buffer): Promise<unknown> {
  return checkInfo(holding('mixos-cache.json', bytes), signal)
}

async function readTrace(bytes: Buffer): Promise<unknown> {
  return verifySignedTrace(bytes, { hash, key: key.public, now: NOW, where: 'here' })
}

async function readIndex(bytes: Buffer): Promise<unknown> {
  return parseIndex(bytes, indexOf([]).path, 'here')
}

type Result<T> = T extends Promise<infer V> ? Promise<V | undefined> : T | undefined

/** What is thrown has one of the codes, and is short and of letters that a terminal just prints. */
function attempt<T>(t: ExecutionContext, codes: readonly string[], action: () => T): Result<T> {
  const refused = (error: unknown): undefined => {
    if (!(error instanceof MixosError)) throw error
    t.true(codes.includes(error.code), `${error.code}: ${error.message}`)
    t.true(error.message.length < 1000, `a message of ${error.message.length} characters`)
    t.notRegex(error.message, /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
    return undefined
  }
  try {
    const result = action()
    return (result instanceof Promise ? result.catch(refused) : result) as Result<T>
  } catch (error) {
    return refused(error) as Result<T>
  }
}

function holding(path: string, bytes: Uint8Array): WritableStorage {
  return memoryStorage(new Map([[path, bytes]]))
}

function trace(): string {
  const object = 'a'.repeat(64) as ObjectHash
  const outputs = { out: { path: storePathOf(object, 'hello-1'), hash: object } }
  const resolved = 'e'.repeat(64) as ResolvedHash
  return formatSignedTrace(
    signTrace({ label: 'hello-1', derivation: hash, resolved, outputs }, key, NOW),
  )
}

type Change = (text: string) => Buffer

/** Changes of the bytes, and of the data that they stand for. */
function changes(): fc.Arbitrary<Change> {
  return fc.oneof(
    byteChanges(),
    dataChanges(() => true),
  )
}

/** Changes of where the bytes of an object are said to be: its manifest stays. */
function placeChanges(): fc.Arbitrary<Change> {
  return dataChanges(([field]) => ['packs', 'frames', 'files'].includes(`${field}`))
}

function garbage(): fc.Arbitrary<Change> {
  return fc
    .oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(Buffer.from))
    .map(bytes => () => Buffer.from(bytes as Uint8Array))
}

function byteChanges(): fc.Arbitrary<Change> {
  return fc
    .record({
      how: fc.constantFrom('flip', 'insert', 'delete', 'truncate'),
      at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
    })
    .map(({ how, at, bytes }) => text => {
      const data = Buffer.from(text)
      const place = Math.floor(at * data.length)
      const [head, tail] = [data.subarray(0, place), data.subarray(place)]
      if (how === 'truncate') return head
      if (how === 'insert') return Buffer.concat([head, bytes, tail])
      if (how === 'delete') return Buffer.concat([head, tail.subarray(bytes.length)])
      data[place] = (data[place] as number) ^ (bytes[0] || 1)
      return data
    })
}

type Path = readonly (string | number)[]

/** Puts another value, perhaps from elsewhere in it, in some place of the data. */
function dataChanges(isMeant: (path: Path) => boolean): fc.Arbitrary<Change> {
  const odd = fc.oneof(
    fc.integer({ min: -2, max: 2 ** 21 }),
    fc.constantFrom(2 ** 20, 2 ** 53, -1, 0.5, 1e300, null, true, '', '..', '/', 'a/../b', [], {}),
    fc.jsonValue({ maxDepth: 2 }),
  )
  const choice = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
  return fc
    .record({
      place: choice,
      other: fc.option(choice),
      value: odd,
      step: fc.constantFrom(0, -1, 1),
    })
    .map(({ place, other, value, step }) => text => {
      const data = JSON.parse(text)
      const paths = [...pathsIn(data)].filter(isMeant)
      const path = paths[Math.floor(place * paths.length)]
      if (!path) return Buffer.from(text)
      const old = valueAt(data, path)
      const from = paths[Math.floor((other ?? 0) * paths.length)] as Path
      const isNear = typeof old === 'number' && step !== 0
      const changed = isNear ? old + step : other === null ? value : valueAt(data, from)
      const parent = valueAt(data, path.slice(0, -1)) as Record<string, unknown>
      parent[path.at(-1) as string] = structuredClone(changed)
      return Buffer.from(JSON.stringify(data))
    })
}

function* pathsIn(data: unknown, path: Path = []): Generator<Path> {
  if (path.length > 0) yield path
  if (typeof data !== 'object' || data === null) return
  const keys = Array.isArray(data) ? data.keys() : Object.keys(data)
  for (const key of keys) yield* pathsIn((data as Record<string, unknown>)[key], [...path, key])
}

function valueAt(data: unknown, path: Path): unknown {
  return path.reduce((value, key) => (value as Record<string, unknown>)[key], data)
}

interface FileSpec {
  readonly name: string
  readonly size: number
  readonly executable: boolean
  readonly isNaming: boolean
}

/** Indexes as a push writes them. */
function indexes(): fc.Arbitrary<ObjectIndex> {
  const name = fc.stringMatching(/^[a-zé_.-]{0,3}[a-zé]$/)
  const file = fc.record({
    name: fc.oneof(
      name,
      fc.tuple(name, name).map(names => names.join('/')),
    ),
    size: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 4 * FRAME_BYTES })),
    executable: fc.boolean(),
    isNaming: fc.boolean(),
  })
  return fc.uniqueArray(file, { maxLength: 8, selector: ({ name }) => name }).map(files => {
    // What is a directory elsewhere cannot be a file too.
    const directories = new Set(files.map(({ name }) => name.split('/')[0]))
    return indexOf(
      files.filter(
        ({ name }) => name.includes('/') || !hasBelow(files, name) || !directories.has(name),
      ),
    )
  })
}

const hasBelow = (files: readonly FileSpec[], name: string): boolean =>
  files.some(other => other.name.startsWith(`${name}/`))

function indexOf(specs: readonly FileSpec[]): ObjectIndex {
  const references = [storePathOf('b'.repeat(64) as ObjectHash, 'library-1')]
  const digits = 'c'.repeat(64)
  const parents = new Set(
    specs.flatMap(({ name }) => (name.includes('/') ? [name.split('/')[0]] : [])),
  )
  const entries: Entry[] = [
    { path: '', type: 'directory' },
    ...[...parents].map(path => ({ path: path as string, type: 'directory' as const })),
    ...specs.map(({ name, size, executable }) => ({
      path: name,
      type: 'file' as const,
      executable,
      size,
      hash: digits,
    })),
    // In capitals, which no file above has.
    { path: 'LINK', type: 'symlink', target: `/mix/store/${SELF_PLACEHOLDER}-a-1`, self: [11] },
  ]
  entries.sort((a, b) => comparePaths(a.path, b.path))
  const manifest: Manifest = { label: 'a-1', references, entries }
  const frames: Frame[] = []
  const isNaming = new Set(specs.filter(spec => spec.isNaming).map(({ name }) => name))
  const files = filesOf(manifest).map(({ path, size }): Placed => {
    const frame = size === 0 ? 0 : frames.length
    for (let rest = size; rest > 0; rest -= FRAME_BYTES) {
      const place = { pack: 0, offset: 100 * frames.length, length: 100 }
      frames.push({ ...place, size: Math.min(rest, FRAME_BYTES) })
    }
    const isLong = isNaming.has(path) && size >= 64
    return { frame, at: 0, ...(isLong && { marks: [0, 0, 32, 0], blank: digits }) }
  })
  const hash = hashManifest(manifest)
  return { hash, path: storePathOf(hash, 'a-1'), manifest, packs: [digits], frames, files }
}

/** An index of this many files of one size, each at the first of that many frames. */
function claiming(count: { files: number; frames: number; size: number }): Buffer {
  const specs = Array.from({ length: count.files }, (_, index) => ({
    path: `f${String(index).padStart(9, '0')}`,
    type: 'file',
    executable: false,
    size: count.size,
    hash: 'c'.repeat(64),
  }))
  return Buffer.from(
    JSON.stringify({
      ...JSON.parse(formatIndex(indexOf([]))),
      entries: [{ path: '', type: 'directory' }, ...specs],
      frames: Array(count.frames).fill([0, 0, 100, FRAME_BYTES]),
      files: Array(count.files).fill({ frame: 0, at: 0 }),
    }),
  )
}

/** An object with everything that an index can say, in a cache. */
async function pushedObject(t: ExecutionContext) {
  const store: Store = openStore({ directory: join(memoryDirectory(t), 'mixos'), host: nodeHost })
  const library = await addTree(store, 'library', { tree: { text: 'text' } })
  const self = 'a'.repeat(32) as Digest
  const source = writeTree(join(store.scratch(), 'tree'), {
    'bin/run': { executable: `runs ${absolute(library)} and ${self}` },
    empty: '',
    large: noise(600_000).toString('hex') + absolute(library),
    link: { symlink: `/mix/store/${self}-all-1/bin` },
    'share/a': 'a',
    'share/b': noise(1000).toString('hex'),
  })
  const candidates = new Map([[digestOfPath(library), library]])
  const path: StorePath = await store.add({
    source,
    label: 'all-1',
    self,
    candidates,
    maker: 'the test',
  })
  const files = new Map<string, Uint8Array>()
  const resolved = hash as string as ResolvedHash
  const traces = [{ label: 'all-1', derivation: hash, resolved, outputs: { out: path } }]
  await push(store, memoryStorage(files), traces, { key, signal, report: () => undefined })
  return { store, path, files }
}

/** Everything below, with what it holds. */
function treeOf(directory: string): unknown {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).map(entry => {
    const at = join(entry.parentPath, entry.name)
    const { mode, mtimeMs, size } = nodeHost.files.lstat(at) ?? {}
    const content = entry.isFile() ? nodeHost.files.read(at)?.toString() : undefined
    return { at, mode, mtimeMs, size, content }
  })
}

/** What it refers to is not there, as nobody asked for it. */
const isOfBytes = ({ message }: { message: string }): boolean => !message.startsWith('it refers to')
