import test from 'ava'
import type { WritableStorage } from '../../../store/cache/storage.ts'
import { verifyCache } from '../../../store/cache/verify.ts'
import { tryStoreLock } from '../../../store/store-lock.ts'
import { fileOf, sharedCache, signer } from '../../helpers/shared-cache.ts'

const { signal } = new AbortController()
const checked = { keys: [signer.public], drop: false, signal, report: () => undefined }

test('a cache as it was pushed has no problems, whatever else lies there', async t => {
  const { store, storage, files } = await sharedCache(t)
  files.set('object/readme.txt', Buffer.from('not ours'))
  t.deepEqual(await verifyCache(store, storage, checked), {
    objects: 2,
    traces: 3,
    unverified: 0,
    problems: [],
  })
})

test('a damaged index, a lost object and a damaged trace are named', async t => {
  const { store, storage, files } = await sharedCache(t)
  const index = fileOf(files, 'object/', /program-1/)
  const trace = fileOf(files, 'trace/', /library-1/)
  files.set(index, Buffer.from('{'))
  files.set(
    trace,
    Buffer.from((files.get(trace) as Buffer).toString().replace('library', 'librury')),
  )
  const { problems } = await verifyCache(store, storage, checked)
  t.deepEqual(problems.map(({ path }) => path).sort(), [index, trace].sort())
  t.regex(problems.find(({ path }) => path === index)?.message ?? '', /it is not JSON/)
  files.delete(index)
  const lost = (await verifyCache(store, storage, checked)).problems
  t.true(lost.some(({ message }) => /it refers to \w{32}-program-1, which the cache/.test(message)))
})

test('a signature by a key that is trusted is verified', async t => {
  const { store, storage, files } = await sharedCache(t)
  const trace = fileOf(files, 'trace/', /program-1/)
  const text = (files.get(trace) as Buffer).toString()
  const changed = text.replace(/"signedAt":"\d{4}/, '"signedAt":"2020')
  files.set(trace, Buffer.from(changed))
  const { problems } = await verifyCache(store, storage, checked)
  t.is(problems.length, 1)
  t.regex(problems[0]?.message ?? '', /its signature by the key colleague .* does not match/)
  t.deepEqual((await verifyCache(store, storage, { ...checked, keys: [] })).problems, [])
})

test('no garbage of the store is collected while a cache is verified beside it', async t => {
  const { store, storage } = await sharedCache(t)
  const locks: unknown[] = []
  const watching: WritableStorage = {
    ...storage,
    read: (path, options) => {
      locks.push(tryStoreLock(store, 'store'))
      return storage.read(path, options)
    },
  }
  await verifyCache(store, watching, checked)
  t.deepEqual(new Set(locks), new Set([undefined]))
  const collecting = tryStoreLock(store, 'store')
  const { promise: waiting, resolve: report } = Promise.withResolvers<unknown>()
  const verified = verifyCache(store, storage, { ...checked, report })
  await waiting
  collecting?.release()
  t.deepEqual((await verified).problems, [])
})

test('a full disk is told as such', async t => {
  const { store, storage } = await sharedCache(t)
  const makeDirectory = () => {
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
  }
  const host = { ...store.host, files: { ...store.host.files, makeDirectory } }
  const full = verifyCache({ ...store, host }, storage, checked)
  await t.throwsAsync(full, { code: 'DISK_FULL' })
})

test('whose clock is wrong drops nothing', async t => {
  const { store, storage, files } = await sharedCache(t)
  const early = { ...store, host: { ...store.host, now: () => 0 } }
  const before = [...files.keys()]
  t.deepEqual((await verifyCache(early, storage, { ...checked, drop: true })).problems, [])
  t.deepEqual([...files.keys()], before)
})

test('what is damaged is dropped, and the next push writes it anew', async t => {
  const { store, storage, files, pushAgain } = await sharedCache(t)
  for (const [path, data] of files) {
    if (/^(pack|trace)\//.test(path)) files.set(path, data.subarray(0, data.length - 2))
  }
  t.is((await verifyCache(store, storage, { ...checked, drop: true })).problems.length, 4)
  await pushAgain()
  t.deepEqual((await verifyCache(store, storage, checked)).problems, [])
})
