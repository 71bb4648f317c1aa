import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { eachOf, flush, writeDurably } from '../../../store/disk/write.ts'
import type { Host } from '../../../store/host.ts'
import { watchedHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

test('a file is synced, then named, then its name is synced', async t => {
  const scratch = tempDirectory(t)
  const path = join(tempDirectory(t), 'file')
  const changes: string[] = []
  const host = watchedHost(nodeHost, (change, at) => {
    changes.push(
      `${change} ${at === path ? 'file' : at.startsWith(`${scratch}/`) ? 'temp' : 'directory'}`,
    )
  })
  await writeDurably(host, { path, data: 'text', scratch })
  t.deepEqual(changes, ['writeNew temp', 'sync temp', 'rename file', 'sync directory'])
  t.is(readFileSync(path, 'utf8'), 'text')
  t.deepEqual(nodeHost.files.list(scratch), [])
})

test('a file whose sync fails gets no name', async t => {
  const scratch = tempDirectory(t)
  const path = join(scratch, 'file')
  const host = withSync(() => Promise.reject(new Error('EIO')))
  await t.throwsAsync(writeDurably(host, { path, data: 'text', scratch }), { message: 'EIO' })
  t.false(existsSync(path))
})

test('callers during a flush share the next one', async t => {
  const syncs: { path: string; done: () => void }[] = []
  const host = withSync(path => new Promise(done => syncs.push({ path, done })))
  const paths = () => {
    for (const { done } of syncs) done()
    return syncs.splice(0).map(({ path }) => path)
  }
  const first = flush(host, ['/a'])
  const rest = [flush(host, ['/b', '/c']), flush(host, ['/c', '/a'])]
  t.deepEqual(paths(), ['/a'])
  await first
  await turn()
  t.deepEqual(paths(), ['/b', '/c', '/a'])
  await Promise.all(rest)
  const later = flush(host, ['/d'])
  t.deepEqual(paths(), ['/d'])
  await later
})

test('a flush that fails fails those who share it and those who wait for the next one, and none after them', async t => {
  const syncs: { done: () => void; fail: (error: Error) => void }[] = []
  const host = withSync(() => new Promise((done, fail) => syncs.push({ done, fail })))
  const calls = [flush(host, ['/a']), flush(host, ['/b']), flush(host, ['/c'])]
  syncs[0]?.fail(new Error('EIO'))
  for (const call of calls) await t.throwsAsync(call, { message: 'EIO' })
  t.is(syncs.length, 1)
  const later = flush(host, ['/d'])
  syncs[1]?.done()
  await t.notThrowsAsync(later)
})

test('each item is acted on once, so many at a time', async t => {
  const items: number[] = []
  let running = 0
  let most = 0
  await eachOf([1, 2, 3, 4, 5], 2, async item => {
    most = Math.max(most, ++running)
    await turn()
    items.push(item)
    running--
  })
  t.deepEqual(items, [1, 2, 3, 4, 5])
  t.is(most, 2)
})

test('a failed item is thrown when nothing runs any more, and nothing new was begun', async t => {
  const ended: number[] = []
  const action = async (item: number): Promise<void> => {
    if (item === 1) throw new Error('first')
    await turn()
    await turn()
    ended.push(item)
  }
  await t.throwsAsync(eachOf([1, 2, 3, 4], 2, action), { message: 'first' })
  t.deepEqual(ended, [2])
})

function withSync(sync: (path: string) => Promise<void>): Host {
  return { ...nodeHost, files: { ...nodeHost.files, sync } }
}

function turn(): Promise<void> {
  return new Promise(done => setImmediate(done))
}
