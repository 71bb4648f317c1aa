import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pathLock, tryPathLock } from '../../../store/disk/path-lock.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { holder } from '../../helpers/child.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

const MODULES = new URL('../../../store/', import.meta.url).href

test('a lock keeps everyone else out until it is released', t => {
  const path = lockPath(t)
  const lock = tryPathLock(nodeHost, path)
  t.truthy(lock)
  t.is(tryPathLock(nodeHost, path), undefined)
  lock?.release()
  tryPathLock(nodeHost, path)?.release()
  t.false(existsSync(path))
})

test('who waits is told once, and gets the lock when it is free', async t => {
  const path = lockPath(t)
  const lock = tryPathLock(nodeHost, path)
  let waits = 0
  const waiting = pathLock(nodeHost, path, { onWait: () => waits++ })
  await new Promise(done => setTimeout(done, 20))
  t.is(waits, 1)
  lock?.release()
  const got = await waiting
  t.is(tryPathLock(nodeHost, path), undefined)
  got.release()
})

test('many tasks hold the lock one at a time', async t => {
  const path = lockPath(t)
  let holders = 0
  let most = 0
  const task = async (): Promise<void> => {
    const lock = await pathLock(nodeHost, path)
    most = Math.max(most, ++holders)
    await new Promise(done => setImmediate(done))
    holders--
    lock.release()
  }
  await Promise.all(Array.from({ length: 6 }, task))
  t.is(most, 1)
})

test('waiting ends when it is cancelled', async t => {
  const path = lockPath(t)
  tryPathLock(nodeHost, path)
  const controller = new AbortController()
  const waiting = pathLock(nodeHost, path, { signal: controller.signal })
  controller.abort()
  await t.throwsAsync(waiting, { code: 'CANCELLED' })
})

test('the lock of a file that was deleted meanwhile guards nothing, so a new one is taken', t => {
  const path = lockPath(t)
  t.truthy(tryPathLock(nodeHost, path))
  nodeHost.files.unlink(path)
  t.truthy(tryPathLock(nodeHost, path))
  t.is(tryPathLock(nodeHost, path), undefined)
})

test('a lock holds between processes, and ends with its process however that ends', async t => {
  const path = lockPath(t)
  const child = await holder(
    t,
    `const { nodeHost } = await import('${MODULES}hosts/node.ts')
    const { tryPathLock } = await import('${MODULES}disk/path-lock.ts')
    tryPathLock(nodeHost, ${JSON.stringify(path)})`,
  )
  t.is(tryPathLock(nodeHost, path), undefined)
  child.kill('SIGKILL')
  await once(child, 'close')
  const lock = tryPathLock(nodeHost, path)
  t.truthy(lock)
})

test('a lock is not passed on to a process that is started meanwhile', async t => {
  const path = lockPath(t)
  const lock = tryPathLock(nodeHost, path)
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.teardown(() => child.kill())
  await once(child, 'spawn')
  lock?.release()
  writeFileSync(path, '')
  t.truthy(tryPathLock(nodeHost, path))
})

function lockPath(t: ExecutionContext): string {
  return join(tempDirectory(t), 'name.lock')
}
