import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import type { ObjectHash, StorePath } from '../../../graph/store-path.ts'
import { storePathOf } from '../../../graph/store-path.ts'
import { indexReader } from '../../../store/cache/index-reader.ts'
import { restoreThreads } from '../../../store/cache/restore-threads.ts'
import { type CacheStorage, FileTooLarge } from '../../../store/cache/storage.ts'
import { memoryStorage } from '../../../store/cache/storages/memory.ts'
import { workersOn } from '../../../store/cache/workers.ts'
import { nodeHost } from '../../../store/hosts/node.ts'

const { signal } = new AbortController()
const SMALL = 1 << 20
const garbage = Buffer.alloc(SMALL + 1, ' ')

const pathOf = (digit: number): StorePath =>
  storePathOf(`${digit}`.repeat(64) as ObjectHash, 'some-1')

function withRead(read: CacheStorage['read']): CacheStorage {
  return { ...memoryStorage(), read }
}

test('of the large indexes that a cache claims to have, there are few in memory at a time', async t => {
  await using workers = workersOn(nodeHost, { threads: false })
  let [underway, most] = [0, 0]
  const storage = withRead(async (_, { limit }) => {
    if (limit <= SMALL) throw new FileTooLarge('it is large')
    most = Math.max(most, ++underway)
    await setImmediate()
    underway--
    return garbage
  })
  const { read } = indexReader(workers)
  const reads = Array.from({ length: 10 }, (_, digit) => read(storage, pathOf(digit), signal))
  for (const reading of reads) await t.throwsAsync(reading, { code: 'CACHE_INVALID' })
  t.is(most, 2)
})

test('a large index that is none is refused in another thread, by its name', async t => {
  await using workers = workersOn(nodeHost, { threads: restoreThreads(1) })
  const storage = withRead(async (_, { limit }) => {
    if (limit <= SMALL) throw new FileTooLarge('it is large')
    return garbage
  })
  await t.throwsAsync(indexReader(workers).read(storage, pathOf(1), signal), {
    code: 'CACHE_INVALID',
    message: /^memory:: object\/\w{32}\.json: the index: it is not JSON$/,
  })
})

test('what comes from a cache that was given up meanwhile is not parsed', async t => {
  await using workers = workersOn(nodeHost, { threads: false })
  const given = new AbortController()
  const storage = withRead(async () => {
    given.abort(new Error('given up'))
    return Buffer.from('{')
  })
  const reading = indexReader(workers).read(storage, pathOf(1), given.signal)
  await t.throwsAsync(reading, { message: 'given up' })
})
