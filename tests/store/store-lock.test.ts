import { once } from 'node:events'
import { statSync } from 'node:fs'
import test from 'ava'
import { storeLock, tryStoreLock } from '../../store/store-lock.ts'
import { holder } from '../helpers/child.ts'
import { tempStore } from '../helpers/temp-store.ts'

const MODULES = new URL('../../store/', import.meta.url).href

test('a lock of the store keeps out who wants the same name, and nobody else', t => {
  const store = tempStore(t)
  const lock = tryStoreLock(store, 'one')
  t.truthy(lock)
  t.is(tryStoreLock(store, 'one'), undefined)
  t.is(tryStoreLock(store, 'one', 'shared'), undefined)
  t.truthy(tryStoreLock(store, 'another'))
  lock?.release()
  t.truthy(tryStoreLock(store, 'one'))
})

test('shared locks of a name go together and keep an exclusive one out', t => {
  const store = tempStore(t)
  const locks = [tryStoreLock(store, 'one', 'shared'), tryStoreLock(store, 'one', 'shared')]
  t.true(locks.every(lock => lock !== undefined))
  locks[0]?.release()
  t.is(tryStoreLock(store, 'one'), undefined)
  locks[1]?.release()
  t.truthy(tryStoreLock(store, 'one'))
})

test('who waits for a name gets it when it is free', async t => {
  const store = tempStore(t)
  const lock = tryStoreLock(store, 'one')
  const waiting = storeLock(store, 'one')
  lock?.release()
  t.truthy(await waiting)
})

test('locks take no space, whatever their names', t => {
  const store = tempStore(t)
  for (let name = 0; name < 100; name++) tryStoreLock(store, String(name))
  t.is(statSync(store.layout.lock).size, 0)
})

test('a name that another process holds is free when that process has been killed', async t => {
  const store = tempStore(t)
  const child = await holder(
    t,
    `const { nodeHost } = await import('${MODULES}hosts/node.ts')
    const { openStore } = await import('${MODULES}store.ts')
    const { tryStoreLock } = await import('${MODULES}store-lock.ts')
    tryStoreLock(openStore({ directory: ${JSON.stringify(store.directory)}, host: nodeHost }), 'one')`,
  )
  t.is(tryStoreLock(store, 'one'), undefined)
  child.kill('SIGKILL')
  await once(child, 'close')
  t.truthy(tryStoreLock(store, 'one'))
})
