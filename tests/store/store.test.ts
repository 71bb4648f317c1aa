import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import type { DerivationHash, ResolvedHash } from '../../graph/store-path.ts'
import { digestOfPath } from '../../graph/store-path.ts'
import { removeTree } from '../../store/disk/remove.ts'
import type { Host } from '../../store/host.ts'
import { type Change, watchedHost } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { openStore } from '../../store/store.ts'
import { asStoreError } from '../../store/store-error.ts'
import { addTree, tempDirectory, tempStore, writeTree } from '../helpers/temp-store.ts'

const tree = { 'bin/hi': { executable: '#!/bin/sh\n' }, link: { symlink: 'bin' }, text: 'text' }
const DERIVATION = 'd'.repeat(64) as DerivationHash
const RESOLVED = 'e'.repeat(64) as ResolvedHash

test('a new store has its directories and its version', t => {
  const { directory } = tempStore(t)
  t.deepEqual(nodeHost.files.list(directory), [
    'db',
    'log',
    'profiles',
    'roots',
    'store',
    'tmp',
    'version',
  ])
  t.is(readFileSync(join(directory, 'version'), 'utf8'), '1\n')
})

test('a store is opened again and again, also where its creation was cut short', t => {
  const { directory, layout } = tempStore(t)
  t.notThrows(() => openStore({ directory, host: nodeHost }))
  writeFileSync(layout.version, '')
  rmSync(layout.logs, { recursive: true })
  openStore({ directory, host: nodeHost })
  t.is(readFileSync(layout.version, 'utf8'), '1\n')
  t.true(existsSync(layout.logs))
})

test('directories of a store that are gone are made anew', t => {
  const { directory } = tempStore(t)
  for (const name of ['log', 'tmp', 'db/traces']) removeTree(nodeHost, join(directory, name))
  openStore({ directory, host: nodeHost })
  for (const name of ['log', 'tmp', 'db/traces']) t.true(existsSync(join(directory, name)), name)
})

test('a directory with anything else in it is refused and left alone', t => {
  const directory = writeTree(tempDirectory(t), { 'thesis.txt': 'text' })
  t.throws(() => openStore({ directory, host: nodeHost }), {
    code: 'STORE_FOREIGN',
    message: /it holds thesis\.txt$/,
  })
  t.deepEqual(nodeHost.files.list(directory), ['thesis.txt'])
})

test('a file in place of the store is refused', t => {
  const directory = join(writeTree(tempDirectory(t), { file: '' }), 'file')
  for (const path of [directory, join(directory, 'below')]) {
    t.throws(() => openStore({ directory: path, host: nodeHost }), {
      code: 'STORE_FOREIGN',
      message: /is not a directory$/,
    })
  }
})

test('a store of a newer version is refused with both versions', t => {
  const { directory, layout } = tempStore(t)
  writeFileSync(layout.version, '2\n')
  t.throws(() => openStore({ directory, host: nodeHost }), {
    code: 'STORE_FOREIGN',
    message: /is a store of version 2, this program reads version 1$/,
  })
})

test('a place that cannot be written to is an error that says so', t => {
  // Modes do not bind root, so the machine is made to refuse.
  for (const code of ['EACCES', 'EROFS', 'EPERM']) {
    const host = refusing('makeDirectory', code)
    t.throws(() => openStore({ directory: join(tempDirectory(t), 'mixos'), host }), {
      code: 'STORE_READ_ONLY',
      message: /^cannot write to /,
    })
  }
})

test('a full disk is an error that says so', t => {
  const host = refusing('writeNew', 'ENOSPC')
  const directory = join(tempDirectory(t), 'mixos')
  t.throws(() => openStore({ directory, host }), { code: 'DISK_FULL' })
})

test('a place whose programs cannot be run is an error that says so', async t => {
  const { directory } = tempStore(t)
  const [error] = await once(nodeHost.processes.spawn(join(directory, 'version'), [], {}), 'error')
  t.like(asStoreError(error, directory), {
    code: 'SANDBOX_UNAVAILABLE',
    message: `no program of ${directory} can be run`,
    cause: error,
  })
})

test('the objects of a new store can be read by others, whatever the umask', t => {
  const before = process.umask(0o077)
  t.teardown(() => process.umask(before))
  const { layout } = tempStore(t)
  t.is((nodeHost.files.lstat(layout.objects)?.mode ?? 0) & 0o777, 0o755)
})

test('a store below a directory of a group gives none of its setgid bit to what is made in it', t => {
  const parent = tempDirectory(t)
  chmodSync(parent, 0o2775)
  const store = openStore({ directory: join(parent, 'mixos'), host: nodeHost })
  t.is(statSync(store.scratch()).mode & 0o7777, 0o700)
})

test('what was added is there, read-only, with a record of every entry', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'hi', { tree })
  t.regex(path, /^[0-9a-z]{32}-hi-1$/)
  t.true(store.has(path))
  t.deepEqual(store.paths(), [path])
  t.is(readFileSync(join(store.hostPath(path), 'text'), 'utf8'), 'text')
  t.is(statSync(store.hostPath(path)).mode & 0o7777, 0o555)
  const record = store.record(path)
  t.is(record?.path, path)
  t.is(record?.size, 14)
  t.deepEqual(
    record?.manifest.entries.map(entry => `${entry.type} ${entry.path}`),
    ['directory ', 'directory bin', 'file bin/hi', 'symlink link', 'file text'],
  )
  t.deepEqual(store.head(path), { hash: record?.hash, size: 14, references: [] } as never)
  t.deepEqual(readdirSync(store.layout.scratch), [])
})

test('adding the same again changes nothing', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'hi', { tree })
  const before = statSync(store.hostPath(path))
  t.is(await addTree(store, 'hi', { tree }), path)
  t.is(statSync(store.hostPath(path)).ino, before.ino)
  t.deepEqual(readdirSync(store.layout.scratch), [])
})

test('the same added by many at once is one object', async t => {
  const store = tempStore(t)
  const other = openStore({ directory: store.directory, host: nodeHost })
  const adds = Array.from({ length: 8 }, (_, index) =>
    addTree(index % 2 ? store : other, 'hi', { tree }),
  )
  t.is(new Set(await Promise.all(adds)).size, 1)
  t.is(store.paths().length, 1)
  t.deepEqual(readdirSync(store.layout.scratch), [])
})

test('a tree without a record is no object, and is replaced', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'hi', { tree })
  rmSync(store.layout.record(digestOfPath(path)))
  chmodSync(join(store.hostPath(path), 'text'), 0o644)
  writeFileSync(join(store.hostPath(path), 'text'), 'half')
  t.false(store.has(path))
  t.deepEqual(store.paths(), [])
  t.is(store.record(path), undefined)
  await addTree(store, 'hi', { tree })
  t.is(readFileSync(join(store.hostPath(path), 'text'), 'utf8'), 'text')
})

test('a record without a tree is no object, and adding it brings the tree back', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'hi', { tree })
  removeTree(nodeHost, store.hostPath(path))
  t.false(store.has(path))
  await addTree(store, 'hi', { tree })
  t.true(store.has(path))
  t.is(readFileSync(join(store.hostPath(path), 'text'), 'utf8'), 'text')
})

test('the path of another name with the same digest is no object', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'hi', { tree })
  const other = path.replace('-hi-', '-ho-') as typeof path
  t.false(store.has(other))
  t.is(store.record(other), undefined)
})

test('a damaged record is an error, never an absent object', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'hi', { tree })
  writeFileSync(store.layout.record(digestOfPath(path)), '{')
  t.throws(() => store.record(path), { code: 'RECORD_INVALID' })
  t.throws(() => store.head(path), { code: 'RECORD_INVALID' })
})

test('a trace is found under both hashes as long as its objects are there', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'hi', { tree })
  const trace = {
    label: 'hi-1',
    derivation: DERIVATION,
    resolved: RESOLVED,
    outputs: { out: path },
  }
  t.is(store.trace(DERIVATION), undefined)
  await store.remember(trace)
  t.deepEqual(store.trace(DERIVATION), trace)
  t.deepEqual(store.trace(RESOLVED), trace)
  removeTree(nodeHost, store.hostPath(path))
  t.is(store.trace(DERIVATION), undefined)
})

test('a trace that was moved to another hash is refused', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'hi', { tree })
  await store.remember({
    label: 'hi-1',
    derivation: DERIVATION,
    resolved: RESOLVED,
    outputs: { out: path },
  })
  const other = 'f'.repeat(64) as DerivationHash
  renameSync(store.layout.trace(DERIVATION), store.layout.trace(other))
  t.throws(() => store.trace(other), { code: 'RECORD_INVALID' })
})

test('a failed add leaves nothing behind', async t => {
  const store = tempStore(t)
  const source = writeTree(join(tempDirectory(t), 'source'), { bad: '' })
  chmodSync(join(source, 'bad'), 0o4755)
  await t.throwsAsync(
    store.add({ source, label: 'bad-1', candidates: new Map(), maker: 'the test' }),
    { code: 'BUILD_OUTPUT_INVALID' },
  )
  t.deepEqual(readdirSync(store.layout.scratch), [])
  t.deepEqual(readdirSync(store.layout.objects), [])
})

test('every byte of an object is on disk before its name, its name before its record, that before its trace', async t => {
  const changes: { change: Change; path: string }[] = []
  const store = tempStore(
    t,
    watchedHost(nodeHost, (change, path) => changes.push({ change, path })),
  )
  const path = await addTree(store, 'hi', { tree })
  await store.remember({
    label: 'hi-1',
    derivation: DERIVATION,
    resolved: RESOLVED,
    outputs: { out: path },
  })
  const first = (change: Change, at: string): number =>
    changes.findIndex(found => found.change === change && found.path === at)
  const { layout } = store
  const record = layout.record(digestOfPath(path))
  const copy = dirname(changes.find(({ path }) => path.endsWith('/text'))?.path as string)
  const isWrite = ({ change, path }: (typeof changes)[number]): boolean =>
    change !== 'unlink' && (path === copy || path.startsWith(`${copy}/`))
  const lastWrite = changes.findLastIndex(isWrite)
  const named = first('rename', store.hostPath(path))
  for (const inside of ['text', 'bin/hi', 'bin']) {
    const synced = first('sync', `${copy}/${inside}`)
    t.true(synced >= 0 && synced < named, inside)
  }
  t.true(first('sync', copy) < named)
  t.true(lastWrite < named)
  const order = [
    named,
    first('sync', layout.objects),
    first('rename', record),
    first('sync', layout.records),
    first('rename', layout.trace(DERIVATION)),
    // The trace under the other hash may be named and synced before this one.
    changes.findLastIndex(({ change, path }) => change === 'sync' && path === layout.traces),
  ]
  t.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  )
  t.true(order.every(index => index >= 0))
})

test('a scratch directory is private', t => {
  const store = tempStore(t)
  const scratch = store.scratch()
  t.is(dirname(scratch), store.layout.scratch)
  t.is(statSync(scratch).mode & 0o7777, 0o700)
  t.not(store.scratch(), scratch)
})

test('the directory of a store may be a link to one', t => {
  const directory = tempDirectory(t)
  mkdirSync(join(directory, 'real'))
  nodeHost.files.symlink('real', join(directory, 'link'))
  t.notThrows(() => openStore({ directory: join(directory, 'link'), host: nodeHost }))
})

function refusing(change: Change, code: string): Host {
  return watchedHost(nodeHost, found => {
    if (found === change) throw Object.assign(new Error(code), { code })
  })
}
