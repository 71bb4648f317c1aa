import { cpSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { hashDerivation } from '../../graph/hash.ts'
import { type DerivationHash, digestOfPath, type ResolvedHash } from '../../graph/store-path.ts'
import { collect, garbageOf } from '../../store/collect.ts'
import { removeTree } from '../../store/disk/remove.ts'
import { watchedHost } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { realize } from '../../store/realize.ts'
import { addRoot } from '../../store/roots.ts'
import { openStore, type Store } from '../../store/store.ts'
import { storeLock, tryStoreLock } from '../../store/store-lock.ts'
import { verify } from '../../store/verify.ts'
import { addTree, filesStep, quietly, tempDirectory, tempStore } from '../helpers/temp-store.ts'

const { signal } = new AbortController()

test('a root keeps its whole closure, and everything else goes', async t => {
  const { store, base, middle, top, other } = await chain(t)
  await addRoot(store, join(tempDirectory(t), 'result'), middle)
  const { objects, bytes } = await collect(store, { signal })
  t.deepEqual(objects, [top, other].sort())
  t.is(bytes, `top ${middle}`.length + 'other'.length)
  t.deepEqual(store.paths(), [base, middle].sort())
  t.deepEqual(readdirSync(store.layout.objects).sort(), [base, middle].sort())
  t.is(readdirSync(store.layout.records).length, 2)
  t.deepEqual((await verify(store)).problems, [])
})

test('without roots, everything goes', async t => {
  const { store } = await chain(t)
  t.is((await collect(store, { signal })).objects.length, 4)
  for (const directory of ['objects', 'records', 'scratch'] as const)
    t.deepEqual(readdirSync(store.layout[directory]), [], directory)
})

test('a root whose link was deleted keeps nothing, and its registration goes', async t => {
  const { store, top } = await chain(t)
  const link = join(tempDirectory(t), 'result')
  await addRoot(store, link, top)
  unlinkSync(link)
  t.is((await collect(store, { signal })).objects.length, 4)
  t.deepEqual(readdirSync(store.layout.roots), [])
})

test('what a dry run lists is what a collection then deletes', async t => {
  const { store, middle } = await chain(t)
  await addRoot(store, join(tempDirectory(t), 'result'), middle)
  writeFileSync(join(store.layout.scratch, 'left'), '')
  const before = readdirSync(store.directory, { recursive: true }).sort()
  const planned = garbageOf(store)
  t.deepEqual(readdirSync(store.directory, { recursive: true }).sort(), before)
  t.deepEqual(await collect(store, { signal }), planned)
  t.deepEqual(garbageOf(store), { objects: [], bytes: 0, leftovers: [] })
})

test('what crashes left goes: temp files, trees without a record, records without a tree', async t => {
  const { store, top, base, other } = await chain(t)
  const { layout } = store
  await addRoot(store, join(tempDirectory(t), 'result'), top)
  const [noRecord, noTree] = [
    await addTree(store, 'no-record', { tree: { a: '1' } }),
    await addTree(store, 'no-tree', { tree: { a: '2' } }),
  ]
  rmSync(layout.record(digestOfPath(noRecord)))
  removeTree(nodeHost, store.hostPath(noTree))
  writeFileSync(join(store.scratch(), 'half'), '')
  writeFileSync(join(layout.objects, 'not a store path'), '')
  const { objects, leftovers } = await collect(store, { signal })
  t.deepEqual(objects, [other])
  t.is(leftovers.length, 4)
  t.true(store.has(base))
  t.is(readdirSync(layout.objects).length, 3)
  t.deepEqual(readdirSync(layout.scratch), [])
})

test('a trace goes with any of its objects, and so does one that cannot be read', async t => {
  const { store, base, top, other } = await chain(t)
  await addRoot(store, join(tempDirectory(t), 'result'), top)
  await remember(store, 'a', { out: base })
  await remember(store, 'b', { out: base, dev: other })
  writeFileSync(join(store.layout.traces, 'e'.repeat(64)), '{')
  await collect(store, { signal })
  t.deepEqual(readdirSync(store.layout.traces), ['a'.repeat(64)])
})

test('the log of a step goes with its trace', async t => {
  const store = tempStore(t)
  const [kept, dropped] = [filesStep('kept', { a: '1' }), filesStep('dropped', { a: '2' })]
  const links = new Map([[join(tempDirectory(t), 'result'), kept]])
  await realize(store, [kept, dropped], { ...quietly(), links })
  t.is(readdirSync(store.layout.logs).length, 2)
  await collect(store, { signal })
  t.deepEqual(readdirSync(store.layout.logs), [`${hashDerivation(kept)}.log`])
})

test('links that are to be forgotten keep nothing', async t => {
  const { store, top } = await chain(t)
  const link = join(tempDirectory(t), 'result')
  await addRoot(store, link, top)
  t.is(garbageOf(store).objects.length, 1)
  t.is(garbageOf(store, new Set([link])).objects.length, 4)
})

test('the damaged record of a dead object does not keep the others', async t => {
  const { store, top } = await chain(t)
  writeFileSync(store.layout.record(digestOfPath(top)), '{')
  t.is((await collect(store, { signal })).objects.length, 4)
})

test('the damaged record of a live object stops a collection before anything is deleted', async t => {
  const { store, middle, top } = await chain(t)
  await addRoot(store, join(tempDirectory(t), 'result'), top)
  const damaged = openStore({ directory: store.directory, host: nodeHost })
  writeFileSync(store.layout.record(digestOfPath(middle)), '{')
  await t.throwsAsync(collect(damaged, { signal }), { code: 'RECORD_INVALID' })
  t.is(readdirSync(store.layout.objects).length, 4)
})

test('a live record that names a reference otherwise stops a collection before anything is deleted', async t => {
  const { store, base, middle } = await chain(t)
  await addRoot(store, join(tempDirectory(t), 'result'), middle)
  const record = store.layout.record(digestOfPath(middle))
  const other = base.replace(/^./, first => (first === '0' ? '1' : '0'))
  writeFileSync(record, readFileSync(record, 'utf8').replace(base, other))
  const damaged = openStore({ directory: store.directory, host: nodeHost })
  await t.throwsAsync(collect(damaged, { signal }), { code: 'RECORD_INVALID' })
  t.true(store.has(base))
})

test('a copy of a live tree under another label goes, and the record of the live one stays', async t => {
  const { store, top } = await chain(t)
  await addRoot(store, join(tempDirectory(t), 'result'), top)
  cpSync(store.hostPath(top), `${store.hostPath(top)}.bak`, { recursive: true })
  const { objects, leftovers } = await collect(store, { signal })
  t.false(objects.includes(top))
  t.deepEqual(leftovers, [`${store.hostPath(top)}.bak`])
  t.true(store.hasWhole(top))
  t.deepEqual((await verify(store)).problems, [])
})

test('a live tree without a record stops a collection before anything is deleted, and who needs it is named', async t => {
  const { store, base, middle, top } = await chain(t)
  const link = join(tempDirectory(t), 'result')
  await addRoot(store, link, top)
  for (const [path, needer] of [
    [middle, top],
    [top, link],
  ] as const) {
    const record = store.layout.record(digestOfPath(path))
    const text = readFileSync(record)
    unlinkSync(record)
    const damaged = openStore({ directory: store.directory, host: nodeHost })
    const message = `${record}: it is missing, and ${needer} needs ${path}`
    t.throws(() => garbageOf(damaged), { code: 'RECORD_INVALID', message })
    await t.throwsAsync(collect(damaged, { signal }), { code: 'RECORD_INVALID', message })
    t.is(readdirSync(store.layout.objects).length, 4)
    t.true(store.has(base))
    writeFileSync(record, text)
  }
})

test('what a live object without a tree needs stays, and so does its record', async t => {
  const { store, base, middle, top, other } = await chain(t)
  await addRoot(store, join(tempDirectory(t), 'result'), top)
  for (const path of [middle, top]) removeTree(nodeHost, store.hostPath(path))
  t.deepEqual((await collect(store, { signal })).objects, [other])
  t.deepEqual(store.paths(), [base])
  t.is(readdirSync(store.layout.records).length, 3)
})

test('a root of which nothing is here keeps nothing', async t => {
  const { store, top } = await chain(t)
  await addRoot(store, join(tempDirectory(t), 'result'), top)
  removeTree(nodeHost, store.hostPath(top))
  unlinkSync(store.layout.record(digestOfPath(top)))
  t.is((await collect(store, { signal })).objects.length, 3)
})

test('a collection waits for those who use the store, and says so', async t => {
  const { store } = await chain(t)
  const inUse = await storeLock(store, 'store', { how: 'shared' })
  let waits = 0
  const collected = collect(store, { signal, onWait: () => waits++ })
  await new Promise(done => setTimeout(done, 20))
  t.is(store.paths().length, 4)
  inUse.release()
  t.is((await collected).objects.length, 4)
  t.is(waits, 1)
})

test('what cannot be deleted is told of, and does not keep the rest', async t => {
  const { store, other } = await chain(t)
  const left = store.scratch()
  writeFileSync(join(left, 'half'), '')
  writeFileSync(join(store.layout.scratch, 'z'), '')
  const stuck = [left, store.hostPath(other)]
  const host = watchedHost(nodeHost, (change, path) => {
    if (change !== 'removeDirectory' || !stuck.includes(path)) return
    throw Object.assign(new Error('EACCES: permission denied, rmdir'), { code: 'EACCES' })
  })
  const error = await t.throwsAsync(
    collect(openStore({ directory: store.directory, host }), { signal }),
    { code: 'FILE_UNAVAILABLE' },
  )
  for (const path of stuck) t.true(error?.message.includes(`${path}: permission denied`))
  t.deepEqual(store.paths(), [])
  t.deepEqual(readdirSync(store.layout.scratch), [basename(left)])
  t.deepEqual(readdirSync(store.layout.objects), [other])
  t.deepEqual((await collect(store, { signal })).leftovers.toSorted(), stuck.sort())
})

test('a collection that is cancelled stops, and the next one goes on', async t => {
  const { store } = await chain(t)
  const controller = new AbortController()
  let time = 0
  const removed: string[] = []
  const host = {
    ...watchedHost(nodeHost, (change, path) => {
      if (change !== 'removeDirectory') return
      removed.push(path)
      // As the handler of a signal does.
      setImmediate(() => controller.abort())
    }),
    uptime: () => (time += 1000),
  }
  const slow = openStore({ directory: store.directory, host })
  await t.throwsAsync(collect(slow, { signal: controller.signal }), { code: 'CANCELLED' })
  t.true(removed.length > 0 && removed.length < 4)
  t.deepEqual((await verify(store)).problems, [])
  await collect(store, { signal })
  t.deepEqual(readdirSync(store.layout.objects), [])
})

test('nobody gets in while a collection runs', async t => {
  let attempts = 0
  let entered = 0
  const { store } = await chain(t)
  const host = watchedHost(nodeHost, (_, path) => {
    // The lock's own file is opened before.
    if (path === store.layout.lock) return
    attempts++
    const lock = tryStoreLock(store, 'store', 'shared')
    if (lock) entered++
  })
  await collect(openStore({ directory: store.directory, host }), { signal })
  t.true(attempts > 10)
  t.is(entered, 0)
})

test('a collection that dies after any change leaves no record that refers to what is gone', async t => {
  const { store } = await chain(t)
  const host = watchedHost(nodeHost, () => {
    const records = readdirSync(store.layout.records)
    t.is(store.paths().length, records.length)
    t.true(store.paths().every(path => store.hasWhole(path)))
  })
  await collect(openStore({ directory: store.directory, host }), { signal })
  t.deepEqual(store.paths(), [])
})

/** Objects of which each names the one before, and one that nothing names. */
async function chain(t: ExecutionContext) {
  const store = tempStore(t)
  const base = await addTree(store, 'base', { tree: { a: 'base' } })
  const middle = await addTree(store, 'middle', {
    tree: { a: `middle ${base}` },
    references: [base],
  })
  const top = await addTree(store, 'top', { tree: { a: `top ${middle}` }, references: [middle] })
  const other = await addTree(store, 'other', { tree: { a: 'other' } })
  return { store, base, middle, top, other }
}

function remember(store: Store, digit: string, outputs: Record<string, string>): Promise<void> {
  const hash = digit.repeat(64)
  return store.remember({
    label: 'any-1',
    derivation: hash as DerivationHash,
    resolved: hash as ResolvedHash,
    outputs: outputs as never,
  })
}
