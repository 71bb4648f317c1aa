import { chmodSync } from 'node:fs'
import test from 'ava'
import type { Event } from '../../store/event.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { storeLock, tryStoreLock } from '../../store/store-lock.ts'
import { usingStore } from '../../store/using-store.ts'
import { tempStore } from '../helpers/temp-store.ts'

const { signal } = new AbortController()

test('who uses a store waits for a collection, and keeps the next one out until the end', async t => {
  const store = tempStore(t)
  const collection = await storeLock(store, 'store')
  const events: Event[] = []
  const report = (event: Event): void => {
    events.push(event)
    collection.release()
  }
  const isFree = () => tryStoreLock(store, 'store') !== undefined
  t.false(await usingStore(store, { signal, report }, async () => isFree()))
  t.like(events, [{ type: 'warning', message: 'waiting for a garbage collection to end' }])
  t.true(isFree())
})

test('several use a store at once', async t => {
  const options = { signal, report: () => t.fail() }
  const store = tempStore(t)
  const inner = () => usingStore(store, options, async () => 'both')
  t.is(await usingStore(store, options, inner), 'both')
})

test('a store is free after a failure too', async t => {
  const store = tempStore(t)
  const failing = usingStore(store, { signal, report: () => t.fail() }, () => {
    throw new Error('the work failed')
  })
  await t.throwsAsync(failing, { message: 'the work failed' })
  t.truthy(tryStoreLock(store, 'store'))
})

test('who may only read a store that others have used can keep it as it is', async t => {
  const store = tempStore(t)
  tryStoreLock(store, 'store')?.release()
  chmodSync(store.layout.lock, 0o444)
  const open: typeof nodeHost.files.open = (path, how) => {
    t.is(how, 'read')
    return nodeHost.files.open(path, how)
  }
  const host = { ...nodeHost, files: { ...nodeHost.files, open } }
  const reading = usingStore({ ...store, host }, { signal, report: () => t.fail() }, async () =>
    tryStoreLock(store, 'store'),
  )
  t.is(await reading, undefined)
})
