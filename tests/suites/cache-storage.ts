import test, { type ExecutionContext } from 'ava'
import type { StoredFile, WritableStorage } from '../../store/cache/storage.ts'
import { noise } from '../helpers/http-server.ts'

const content = noise(200_000)
const signal = new AbortController().signal
const all = { signal, limit: 1_000_000 }

/** The contract every WritableStorage keeps. `opening` gives an empty one, which the suite closes. */
export function testCacheStorage(
  kind: string,
  opening: (t: ExecutionContext) => WritableStorage | Promise<WritableStorage>,
): void {
  const open = async (t: ExecutionContext): Promise<WritableStorage> => {
    const storage = await opening(t)
    t.teardown(() => storage.close())
    return storage
  }
  const holding = async (t: ExecutionContext, path: string): Promise<WritableStorage> => {
    const storage = await open(t)
    await storage.write(path, content, { signal })
    return storage
  }

  test(`${kind}: a file that was written is there, and is read`, async t => {
    const storage = await holding(t, 'trace/0a1b/some-key_1.json')
    t.true(await storage.has('trace/0a1b/some-key_1.json', { signal }))
    t.deepEqual(await bytes(storage.read('trace/0a1b/some-key_1.json', all)), content)
  })

  test(`${kind}: a file that is absent is undefined, and removing it does nothing`, async t => {
    const storage = await holding(t, 'pack/one.pack')
    for (const path of ['pack/two.pack', 'pack/one', 'object/one.json', 'absent']) {
      t.is(await storage.read(path, all), undefined)
      t.is(await storage.read(path, { ...all, range: { offset: 1, length: 2 } }), undefined)
      t.false(await storage.has(path, { signal }))
      await t.notThrowsAsync(storage.remove(path, { signal }))
    }
  })

  test(`${kind}: an empty file is a file`, async t => {
    const storage = await open(t)
    await storage.write('pack/empty.pack', Buffer.alloc(0), { signal })
    t.true(await storage.has('pack/empty.pack', { signal }))
    t.deepEqual(await bytes(storage.read('pack/empty.pack', all)), Buffer.alloc(0))
  })

  test(`${kind}: a range is these bytes alone, also none`, async t => {
    const storage = await holding(t, 'pack/one.pack')
    for (const [offset, length] of [
      [0, 1],
      [0, content.length],
      [70_000, 80_000],
      [content.length - 1, 1],
      [5, 0],
    ] as const) {
      const read = storage.read('pack/one.pack', { ...all, range: { offset, length } })
      t.deepEqual(await bytes(read), content.subarray(offset, offset + length))
    }
  })

  for (const [offset, length] of [
    [content.length - 10, 11],
    [content.length, 1],
    [content.length + 1000, 10],
  ] as const) {
    test(`${kind}: ${length} bytes from ${offset} on of a file that has fewer are CACHE_INVALID`, async t => {
      const storage = await holding(t, 'pack/one.pack')
      const options = { ...all, range: { offset, length } }
      await t.throwsAsync(storage.read('pack/one.pack', options), { code: 'CACHE_INVALID' })
    })
  }

  test(`${kind}: a file larger than the limit is CACHE_INVALID, one of its size is not`, async t => {
    const storage = await holding(t, 'pack/one.pack')
    const read = (limit: number) => storage.read('pack/one.pack', { signal, limit })
    t.is((await read(content.length))?.length, content.length)
    await t.throwsAsync(read(content.length - 1), { code: 'CACHE_INVALID' })
    await t.throwsAsync(read(0), { code: 'CACHE_INVALID' })
  })

  test(`${kind}: the limit counts for the range, not for the file`, async t => {
    const storage = await holding(t, 'pack/one.pack')
    const options = { signal, limit: 10, range: { offset: 5, length: 10 } }
    t.deepEqual(await bytes(storage.read('pack/one.pack', options)), content.subarray(5, 15))
    await t.throwsAsync(storage.read('pack/one.pack', { ...options, limit: 9 }), {
      code: 'CACHE_INVALID',
    })
  })

  test(`${kind}: a file is replaced by one of the same name`, async t => {
    const storage = await holding(t, 'mixos-cache.json')
    await storage.write('mixos-cache.json', Buffer.from('new'), { signal })
    t.deepEqual(await bytes(storage.read('mixos-cache.json', all)), Buffer.from('new'))
  })

  test(`${kind}: files are listed by the beginning of their paths, with their sizes`, async t => {
    const storage = await open(t)
    t.deepEqual(await listed(storage, ''), [])
    const sizes = { 'a/1.json': 1, 'a/12.json': 2, 'a/2.json': 3, 'ab/1.json': 4, 'b.json': 5 }
    for (const [path, size] of Object.entries(sizes)) {
      await storage.write(path, content.subarray(0, size), { signal })
    }
    for (const prefix of ['', 'a', 'a/', 'a/1', 'a/12.json', 'ab/1', 'b', 'c', 'a/3/']) {
      const wanted = Object.entries(sizes).filter(([path]) => path.startsWith(prefix))
      const found = await listed(storage, prefix)
      t.deepEqual(
        found.map(({ path, size }) => [path, size]),
        wanted,
        prefix,
      )
      t.true(found.every(({ modified }) => Number.isSafeInteger(modified) && modified >= 0))
    }
  })

  test(`${kind}: a file that was removed is absent`, async t => {
    const storage = await holding(t, 'pack/one.pack')
    await storage.remove('pack/one.pack', { signal })
    t.false(await storage.has('pack/one.pack', { signal }))
    t.is(await storage.read('pack/one.pack', all), undefined)
    t.deepEqual(await listed(storage, ''), [])
  })

  test(`${kind}: many files are written and read at once`, async t => {
    const storage = await open(t)
    const paths = Array.from({ length: 300 }, (_, i) => `trace/${i % 7}/${i}.json`)
    await Promise.all(paths.map(path => storage.write(path, Buffer.from(path), { signal })))
    const read = await Promise.all(paths.map(path => bytes(storage.read(path, all))))
    t.deepEqual(read.map(String), paths)
    t.is((await listed(storage, 'trace/')).length, paths.length)
  })

  test(`${kind}: what is aborted rejects with the reason`, async t => {
    const storage = await holding(t, 'pack/one.pack')
    const signal = AbortSignal.abort(new Error('enough'))
    const enough = { message: 'enough' }
    await t.throwsAsync(storage.read('pack/one.pack', { ...all, signal }), enough)
    await t.throwsAsync(storage.has('pack/one.pack', { signal }), enough)
    await t.throwsAsync(storage.write('pack/two.pack', content, { signal }), enough)
    await t.throwsAsync(storage.remove('pack/one.pack', { signal }), enough)
    await t.throwsAsync(storage.list('pack/', { signal })[Symbol.asyncIterator]().next(), enough)
    t.deepEqual(await listed(storage, ''), [
      { ...(await listed(storage, ''))[0], path: 'pack/one.pack', size: content.length },
    ] as StoredFile[])
  })

  for (const path of [
    '',
    '/etc/passwd',
    '../out',
    'pack/../../out',
    'pack/..',
    './pack',
    'pack//one',
    'pack/',
    '.hidden',
    'pack/.hidden',
    'pack\\one',
    'pack/one?x',
    'pack/%2e%2e/one',
    'pack/one\0',
    'Pack/one',
  ]) {
    test(`${kind}: ${JSON.stringify(path)} is no path`, async t => {
      const storage = await open(t)
      const no = { code: 'CACHE_INVALID' }
      await t.throwsAsync(storage.read(path, all), no)
      await t.throwsAsync(storage.has(path, { signal }), no)
      await t.throwsAsync(storage.write(path, content, { signal }), no)
      await t.throwsAsync(storage.remove(path, { signal }), no)
    })
  }
}

async function bytes(read: Promise<Uint8Array | undefined>): Promise<Buffer | undefined> {
  const data = await read
  return data && Buffer.from(data)
}

async function listed(storage: WritableStorage, prefix: string): Promise<StoredFile[]> {
  const files = await Array.fromAsync(storage.list(prefix, { signal }))
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}
