import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { MixosError } from '../../../graph/error.ts'
import type { Entry } from '../../../graph/manifest.ts'
import type { DerivationHash, Digest, ResolvedHash, StorePath } from '../../../graph/store-path.ts'
import { absolute, digestOfPath } from '../../../graph/store-path.ts'
import { generateKey } from '../../../store/cache/keys.ts'
import { siblingsIn } from '../../../store/cache/local-files.ts'
import { pullerOf } from '../../../store/cache/pull.ts'
import { type Pushed, push } from '../../../store/cache/push.ts'
import { restoreThreads } from '../../../store/cache/restore-threads.ts'
import type { WritableStorage } from '../../../store/cache/storage.ts'
import { memoryStorage } from '../../../store/cache/storages/memory.ts'
import { workersOn } from '../../../store/cache/workers.ts'
import type { Files } from '../../../store/host.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { slotsOf } from '../../../store/slots.ts'
import type { Store } from '../../../store/store.ts'
import { verify } from '../../../store/verify.ts'
import { addTree, type Tree, tempStore, writeTree } from '../../helpers/temp-store.ts'

const { signal } = new AbortController()
const key = generateKey(nodeHost, 'tester')

test('an object that was pushed is pulled with all that it refers to, the same to the byte', async t => {
  const store = tempStore(t)
  const library = await addTree(store, 'library', {
    tree: { 'lib/a': 'text', link: { symlink: 'lib/a' } },
  })
  const program = await addTree(store, 'program', {
    tree: {
      bin: `runs ${absolute(library)}/lib/a`,
      empty: '',
      'sub/link': { symlink: absolute(library) },
    },
    references: [library],
  })
  const storage = memoryStorage()
  t.like(await pushed(store, storage, [program]), { objects: 2, present: 0, signed: 1 })

  const other = tempStore(t)
  await pulled(other, storage, program)
  t.deepEqual(other.paths(), store.paths())
  t.deepEqual(other.record(program), store.record(program))
  t.deepEqual((await verify(other)).problems, [])
})

test('an object that names itself is pulled under its own name', async t => {
  const store = tempStore(t)
  const path = await addSelf(store, {
    names: self => `one ${self} and ${self}`,
    far: self => 'x'.repeat(2_500_000) + self,
  })
  const storage = memoryStorage()
  await pushed(store, storage, [path])
  const other = tempStore(t)
  await pulled(other, storage, path)
  t.deepEqual((await verify(other)).problems, [])
  t.true(readFileSync(join(other.hostPath(path), 'names'), 'utf8').includes(digestOfPath(path)))
})

test('large files come back, also where a digest lies across two of their frames', async t => {
  const store = tempStore(t)
  const library = await addTree(store, 'library', { tree: { text: 'text' } })
  const text = `${absolute(library)}`
  const across = 'z'.repeat((1 << 20) - 20) + text
  const tree = {
    across: across + across,
    large: randomText(3_000_000),
    exact: randomText(1 << 20),
    more: randomText((1 << 20) + 1),
  }
  const path = await addTree(store, 'large', { tree, references: [library] })
  const storage = memoryStorage()
  await pushed(store, storage, [path])
  for (const threads of [false, true]) {
    const other = tempStore(t)
    await pulled(other, storage, path, { threads })
    t.deepEqual((await verify(other)).problems, [])
  }
})

test('what many small objects have side by side in a pack comes in few requests', async t => {
  const store = tempStore(t)
  const names = Array.from({ length: 100 }, (_, at) => `a${at}`)
  const all = await Promise.all(names.map(name => addTree(store, name, { tree: { name } })))
  const top = await addTree(store, 'top', { tree: { all: all.join(' ') }, references: all })
  const plain = memoryStorage()
  await pushed(store, plain, [top])
  let reads = 0
  const storage: WritableStorage = {
    ...plain,
    read: async (path, options) => {
      if (path.startsWith('pack/')) reads++
      return plain.read(path, options)
    },
  }
  const other = tempStore(t)
  await pulled(other, storage, top)
  t.true(reads < 10, `${reads}`)
  t.deepEqual((await verify(other)).problems, [])
})

test('of objects that are read together, only the one whose bytes are wrong is refused', async t => {
  const store = tempStore(t)
  const paths = [
    await addTree(store, 'a', { tree: { text: 'first' } }),
    await addTree(store, 'b', { tree: { text: 'second' } }),
  ]
  const files = new Map<string, Uint8Array>()
  await pushed(store, memoryStorage(files), paths)
  const [pack = ''] = [...files.keys()].filter(path => path.startsWith('pack/'))
  // The last one loses its end, so it is not in the range that the two are read by.
  files.set(pack, (files.get(pack) as Uint8Array).slice(0, -1))
  const other = tempStore(t)
  await using workers = workersOn(nodeHost, { threads: false })
  const puller = pullerOf(other, { workers, siblings: () => [], downloads: slotsOf(8), signal })
  const storage = memoryStorage(files)
  const results = await Promise.allSettled(paths.map(path => puller.pull(storage, path)))
  t.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  t.is(other.paths().length, 1)
  t.deepEqual((await verify(other)).problems, [])
})

test('a large file is looked at when its last part has come, whatever else is still to come', async t => {
  const store = tempStore(t)
  const tree = { a: randomText(2_500_000), b: randomText(2_500_000) }
  const path = await addTree(store, 'large', { tree })
  const files = new Map<string, Uint8Array>()
  await pushed(store, memoryStorage(files), [path])
  const sealed = Promise.withResolvers<void>()
  const seal: Files['seal'] = (...args) => {
    nodeHost.files.seal(...args)
    sealed.resolve()
  }
  const host = { ...nodeHost, files: { ...nodeHost.files, seal } }
  const packs = [...files].filter(([path]) => path.startsWith('pack/'))
  const end = packs.reduce((sum, [, { length }]) => sum + length, 0)
  const plain = memoryStorage(files)
  const storage: WritableStorage = {
    ...plain,
    read: async (path, options) => {
      const { offset = 0, length = 0 } = options.range ?? {}
      if (offset + length === end) await sealed.promise
      return plain.read(path, options)
    },
  }
  const other = tempStore(t, host)
  await pulled(other, storage, path)
  t.deepEqual((await verify(other)).problems, [])
})

test('an object of so many files that its index is large is pulled, with threads and without', async t => {
  const store = tempStore(t)
  const deep = Array(4).fill('d'.repeat(200)).join('/')
  const files = Array.from({ length: 1300 }, (_, at) => [`${deep}/${at}`, ''])
  const path = await addTree(store, 'many', { tree: Object.fromEntries(files) })
  const contents = new Map<string, Uint8Array>()
  await pushed(store, memoryStorage(contents), [path])
  t.true((contents.get(`object/${digestOfPath(path)}.json`)?.length ?? 0) > 1 << 20)
  for (const threads of [false, true]) {
    const other = tempStore(t)
    await pulled(other, memoryStorage(contents), path, { threads })
    t.deepEqual(other.record(path), store.record(path))
  }
})

for (const [files, when] of [
  [500_000, 'before it is packed'],
  [480_000, 'before its index is written'],
] as const) {
  test(`an object of ${files} files, whose index nobody would read, is refused ${when}`, async t => {
    const store = tempStore(t)
    const path = await addTree(store, 'many', { tree: { a: 'text' } })
    // Their number is all that matters.
    const hash = '0'.repeat(64)
    const entries = Array.from(
      { length: files },
      (_, at): Entry => ({ path: `${at}`, type: 'file', executable: false, size: 0, hash }),
    )
    const record = (path: StorePath) => {
      const real = store.record(path)
      return real && { ...real, manifest: { ...real.manifest, entries } }
    }
    const contents = new Map<string, Uint8Array>()
    await t.throwsAsync(pushed({ ...store, record }, memoryStorage(contents), [path]), {
      code: 'OBJECT_INVALID',
      message: new RegExp(`^${path} has so many files .* has \\d{8} bytes, not at most 67108864$`),
    })
    t.false(contents.has(`object/${digestOfPath(path)}.json`))
  })
}

test('a damaged object is not pushed, whatever its size and what it names', async t => {
  const store = tempStore(t)
  const library = await addTree(store, 'library', { tree: { small: 'text' } })
  const large = await addTree(store, 'large', { tree: { large: 'x'.repeat(3_000_000) } })
  const program = await addTree(store, 'program', {
    tree: { names: absolute(library), plain: 'text' },
    references: [library],
  })
  const storage = memoryStorage()
  for (const at of [`${library}/small`, `${large}/large`, `${program}/names`, `${program}/plain`]) {
    const path = join(store.layout.objects, at)
    const before = readFileSync(path)
    chmodSync(path, 0o644)
    writeFileSync(path, Buffer.concat([before.subarray(0, -1), Buffer.from('!')]))
    await t.throwsAsync(pushed(store, storage, [library, large, program]), {
      code: 'OBJECT_INVALID',
      message: new RegExp(`${at} is damaged: expected b3:`),
    })
    writeFileSync(path, before)
  }
})

test('pushing what is there writes nothing', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'a', { tree: { a: 'text' } })
  const storage = memoryStorage()
  await pushed(store, storage, [path])
  let writes = 0
  const watched = { ...storage, write: async () => void writes++ }
  t.like(await pushed(store, watched, [path]), { objects: 1, present: 1, signed: 0, bytes: 0 })
  t.is(writes, 0)
})

test('pushing what was signed days ago signs it anew, so that a collection finds it young', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'a', { tree: { a: 'text' } })
  const storage = memoryStorage()
  await pushed(store, storage, [path])
  const later = { ...store, host: { ...store.host, now: () => Date.now() + 2 * 24 * 3_600_000 } }
  t.like(await pushed(later, storage, [path]), { bytes: 0, signed: 1 })
  t.like(await pushed(later, storage, [path]), { bytes: 0, signed: 0 })
})

test('a cache that keeps no packs ends a push with an error', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'a', { tree: { a: 'text' } })
  const files = new Map<string, Uint8Array>()
  const storage = memoryStorage(files)
  const forgetful = {
    ...storage,
    has: async (...args: Parameters<typeof storage.has>) =>
      !args[0].startsWith('pack/') && storage.has(...args),
  }
  await t.throwsAsync(pushed(store, forgetful, [path]), { code: 'CACHE_INCOMPLETE' })
})

test('an index that is refused, since its pack has just gone, is pushed again before what refers to it', async t => {
  const store = tempStore(t)
  const library = await addTree(store, 'library', { tree: { a: 'text' } })
  const program = await addTree(store, 'program', {
    tree: { bin: `runs ${absolute(library)}` },
    references: [library],
  })
  const storage = memoryStorage()
  const written: string[] = []
  let isFirst = true
  const write: WritableStorage['write'] = async (path, ...rest) => {
    if (isFirst && path.startsWith('object/')) {
      isFirst = false
      throw new MixosError('CACHE_INCOMPLETE', 'a pack has gone')
    }
    written.push(path)
    await storage.write(path, ...rest)
  }
  await pushed(store, { ...storage, write }, [program])
  t.deepEqual(
    written.filter(path => path.startsWith('object/')),
    [library, program].map(path => `object/${digestOfPath(path)}.json`),
  )
})

test('a version that differs in one file brings that file alone, to the cache and from it', async t => {
  const store = tempStore(t)
  const names = Array.from({ length: 100 }, (_, index) => `f${index}`)
  const tree: Tree = Object.fromEntries(names.map(name => [name, randomText(20_000)]))
  const first = await addTree(store, 'tree', { tree })
  const storage = memoryStorage()
  const whole = await pushed(store, storage, [first])
  const other = tempStore(t)
  await pulled(other, storage, first)

  const second = await addTree(store, 'tree', { tree: { ...tree, f7: randomText(20_000) } })
  const change = await pushed(store, storage, [second])
  t.true(change.bytes < whole.bytes / 50, `${change.bytes} of ${whole.bytes}`)
  const bytes = await pulled(other, storage, second)
  t.true(bytes < whole.bytes / 50, `${bytes} of ${whole.bytes}`)
  t.deepEqual((await verify(other)).problems, [])
})

test('the versions before of all that is missing are looked up at once, each of them once', async t => {
  const store = tempStore(t)
  const names = ['a', 'b', 'c']
  const add = (text: string) =>
    Promise.all(names.map(name => addTree(store, name, { tree: { name, text } })))
  const before = await add('before')
  const storage = memoryStorage()
  await pushed(store, storage, before)
  const asked: string[] = []
  const { promise: all, resolve } = Promise.withResolvers<void>()
  const waiting: WritableStorage = {
    ...storage,
    read: async (path, options) => {
      if (path.startsWith('object/') && asked.push(path) === names.length) resolve()
      if (path.startsWith('object/')) await all
      return storage.read(path, options)
    },
  }
  await pushed(store, waiting, [...(await add('one')), ...(await add('two'))])
  t.deepEqual(asked.sort(), before.map(path => `object/${digestOfPath(path)}.json`).sort())
})

test('files that differ only in the digests they name are shared', async t => {
  const store = tempStore(t)
  const other = tempStore(t)
  const storage = memoryStorage()
  const sizes: number[] = []
  for (const text of ['one', 'two']) {
    const library = await addTree(store, 'library', { tree: { text } })
    const tree = {
      program: `${randomText(100_000, 1)} ${absolute(library)}`,
      big: `${absolute(library)}${randomText(2_000_000, 2)}`,
    }
    const program = await addTree(store, 'program', { tree, references: [library] })
    await pushed(store, storage, [program])
    sizes.push(await pulled(other, storage, program))
  }
  t.true((sizes[1] as number) < (sizes[0] as number) / 100, `${sizes}`)
  t.deepEqual((await verify(other)).problems, [])
})

test('a damaged file of another version is not copied: the cache is asked', async t => {
  const store = tempStore(t)
  const first = await addTree(store, 'tree', { tree: { same: randomText(5000), changed: 'one' } })
  const second = await addTree(store, 'tree', {
    tree: { same: readFileSync(join(store.hostPath(first), 'same'), 'utf8'), changed: 'two' },
  })
  const storage = memoryStorage()
  await pushed(store, storage, [first, second])
  const other = tempStore(t)
  await pulled(other, storage, first)
  const damaged = join(other.hostPath(first), 'same')
  chmodSync(damaged, 0o644)
  writeFileSync(damaged, 'damaged')
  await pulled(other, storage, second)
  t.deepEqual((await verify(other, { paths: [second] })).problems, [])
})

test('any changed byte of a pack is refused, and nothing of the object stays', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'tree', { tree: { a: randomText(3000), 'b/c': 'text', d: '' } })
  const files = new Map<string, Uint8Array>()
  const storage = memoryStorage(files)
  await pushed(store, storage, [path])
  const name = [...files.keys()].find(file => file.startsWith('pack/')) as string
  const good = files.get(name) as Uint8Array
  for (let at = 0; at < good.length; at += 97) {
    const bad = Uint8Array.from(good)
    bad[at] = (bad[at] as number) ^ 1
    files.set(name, bad)
    const other = tempStore(t)
    // Some bits of a frame's head mean nothing: then what comes is right all the same.
    const result = await pulled(other, storage, path).then(
      () => 'pulled',
      error => error.code,
    )
    if (result === 'pulled') t.deepEqual((await verify(other)).problems, [])
    else {
      t.is(result, 'CACHE_INVALID')
      t.deepEqual(other.paths(), [])
      t.deepEqual(readdirSync(other.layout.scratch), [])
    }
  }
})

test('an object whose reference is missing from the cache is not there', async t => {
  const store = tempStore(t)
  const library = await addTree(store, 'library', { tree: { text: 'text' } })
  const program = await addTree(store, 'program', {
    tree: { text: absolute(library) },
    references: [library],
  })
  const files = new Map<string, Uint8Array>()
  await pushed(store, memoryStorage(files), [program])
  files.delete(`object/${digestOfPath(library)}.json`)
  const other = tempStore(t)
  await t.throwsAsync(pulled(other, memoryStorage(files), program), { code: 'CACHE_INCOMPLETE' })
  t.deepEqual(other.paths(), [])
})

test('a cache for another store directory is refused', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'a', { tree: { text: 'text' } })
  const info = Buffer.from(JSON.stringify({ format: 'mixos-cache-1', store: '/nix/store' }))
  const storage = memoryStorage(new Map([['mixos-cache.json', info]]))
  await t.throwsAsync(pushed(store, storage, [path]), {
    code: 'CACHE_FOREIGN',
    message: /\/nix\/store.*\/mix\/store/,
  })
})

test('modes and times are those of objects', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'a', { tree: { 'bin/run': 'text' } })
  const storage = memoryStorage()
  await pushed(store, storage, [path])
  const other = tempStore(t)
  await pulled(other, storage, path)
  const stats = statSync(join(other.hostPath(path), 'bin'))
  t.is(stats.mode & 0o7777, 0o555)
  t.is(stats.mtimeMs, 1000)
})

async function pushed(
  store: Store,
  storage: WritableStorage,
  paths: readonly StorePath[],
): Promise<Pushed> {
  const traces = paths.map(path => {
    const label = path.slice(33)
    const hash = path
      .slice(0, 32)
      .replace(/[^0-9a-f]/g, '0')
      .repeat(2)
    return {
      label,
      derivation: hash as DerivationHash,
      resolved: hash as ResolvedHash,
      outputs: { out: path },
    }
  })
  return push(store, storage, traces, { key, signal, report: () => undefined })
}

/** The bytes of packs that came. */
async function pulled(
  store: Store,
  storage: WritableStorage,
  path: StorePath,
  { threads = false } = {},
): Promise<number> {
  let bytes = 0
  await using workers = workersOn(store.host, { threads: threads && restoreThreads(2) })
  const onBytes = (count: number): void => {
    bytes += count
  }
  const puller = pullerOf(store, {
    workers,
    siblings: siblingsIn(store),
    downloads: slotsOf(8),
    signal,
  })
  await puller.pull(storage, path, { onBytes })
  return bytes
}

async function addSelf(
  store: Store,
  files: Record<string, (self: string) => string>,
): Promise<StorePath> {
  const self = 'a'.repeat(32) as Digest
  const entries = Object.entries(files).map(([name, text]) => [name, text(self)])
  const source = writeTree(join(store.scratch(), 'tree'), Object.fromEntries(entries))
  return store.add({ source, label: 'self-1', self, candidates: new Map(), maker: 'the test' })
}

/** Text that does not compress to nothing; the same for the same seed. */
function randomText(length: number, seed = Math.random() * 2 ** 31): string {
  let state = Math.floor(seed) | 1
  const bytes = Buffer.alloc(length)
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    bytes[index] = 33 + ((state >> 16) % 90)
  }
  return bytes.toString('latin1')
}
