import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { directoryStorage } from '../../../store/cache/storages/directory.ts'
import type { Files, Host } from '../../../store/host.ts'
import { type Change, faultyHost, watchedHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { noise } from '../../helpers/http-server.ts'
import { memoryDirectory, writeTree } from '../../helpers/temp-store.ts'

const signal = new AbortController().signal
const all = { signal, limit: 1_000_000 }
const content = noise(10_000)

test('a directory that is missing reads as empty, and the first write makes it', async t => {
  const directory = join(memoryDirectory(t), 'a/b/cache')
  const storage = directoryStorage(nodeHost, directory)
  t.is(await storage.read('pack/one.pack', all), undefined)
  t.deepEqual(await Array.fromAsync(storage.list('', { signal })), [])
  await storage.remove('pack/one.pack', { signal })
  t.false(existsSync(directory))
  await storage.write('pack/one.pack', content, { signal })
  t.deepEqual(readFileSync(join(directory, 'pack/one.pack')), content)
})

test('a file is synced, then named, then its name is synced, with the directories made for it', async t => {
  const { directory, storage: first } = emptyCache(t)
  await first.write('mixos-cache.json', content, { signal })
  const changes: string[] = []
  const host = watchedHost(nodeHost, (change, path) => {
    changes.push(`${change} ${path.slice(directory.length).replace(/tmp\/.*/, 'tmp/*')}`)
  })
  const storage = directoryStorage(host, directory)
  await storage.write('trace/a/b.json', content, { signal })
  t.deepEqual(changes, [
    'sync ',
    'makeDirectory /trace',
    'changeMode /trace',
    'sync ',
    'makeDirectory /trace/a',
    'changeMode /trace/a',
    'sync /trace',
    'writeNew /tmp/*',
    'sync /tmp/*',
    'rename /trace/a/b.json',
    'sync /trace/a',
  ])
  changes.length = 0
  await storage.write('trace/a/c.json', content, { signal })
  t.deepEqual(changes, [
    'writeNew /tmp/*',
    'sync /tmp/*',
    'rename /trace/a/c.json',
    'sync /trace/a',
  ])
})

test('a file that is removed or replaced while it is read is absent, or the new one', async t => {
  const { directory, storage } = emptyCache(t)
  const at = join(directory, 'object/a.json')
  const whileOpened = (act: () => void) => {
    const open: Files['open'] = (path, how) => {
      act()
      return nodeHost.files.open(path, how)
    }
    const host = { ...nodeHost, files: { ...nodeHost.files, open } }
    return directoryStorage(host, directory).read('object/a.json', all)
  }
  await storage.write('object/a.json', content, { signal })
  const replace = (): void => {
    writeFileSync(join(directory, 'new'), 'short')
    renameSync(join(directory, 'new'), at)
  }
  t.deepEqual(await whileOpened(replace), Buffer.from('short'))
  t.is(await whileOpened(() => rmSync(at)), undefined)
})

test('many writes at once share their syncs', async t => {
  const { directory } = emptyCache(t)
  const syncs = new Map<string, number>()
  const host = watchedHost(nodeHost, (change, path) => {
    if (change === 'sync') syncs.set(path, (syncs.get(path) ?? 0) + 1)
  })
  const storage = directoryStorage(host, directory)
  const paths = Array.from({ length: 200 }, (_, i) => `trace/${i}.json`)
  await Promise.all(paths.map(path => storage.write(path, content, { signal })))
  t.true((syncs.get(join(directory, 'trace')) ?? 0) < 20)
})

test('a writer that dies at any change leaves the old file or the new one', async t => {
  const changes: Change[] = ['makeDirectory', 'changeMode', 'writeNew', 'sync', 'rename']
  for (let at = 1; ; at++) {
    const { directory, storage: first } = emptyCache(t)
    await first.write('trace/a.json', Buffer.from('old'), { signal })
    const host = faultyHost(nodeHost, { at, how: 'halt', among: changes })
    const dying = directoryStorage(host, directory)
    const outcome = await dying.write('trace/a.json', Buffer.from('new'), { signal }).then(
      () => 'written',
      () => 'dead',
    )
    const text = String(await first.read('trace/a.json', all))
    if (outcome === 'written') {
      t.is(text, 'new')
      t.true(at > 4)
      return
    }
    t.true(text === 'old' || text === 'new')
    await first.write('trace/a.json', Buffer.from('newer'), { signal })
    t.is(String(await first.read('trace/a.json', all)), 'newer')
  }
})

for (const [how, code] of [
  ['ENOSPC', 'DISK_FULL'],
  ['EDQUOT', 'DISK_FULL'],
  ['EROFS', 'CACHE_READ_ONLY'],
  ['EACCES', 'CACHE_READ_ONLY'],
  ['EPERM', 'CACHE_READ_ONLY'],
  ['EIO', 'CACHE_UNAVAILABLE'],
] as const) {
  test(`${how} at any change of a write is ${code} with the path, and leaves nothing behind`, async t => {
    for (const method of ['makeDirectory', 'writeNew', 'sync', 'rename'] as const) {
      const { directory } = emptyCache(t)
      let isFailing = true
      const host = watchedHost(nodeHost, change => {
        if (isFailing && change === method) throw systemError(how)
      })
      const storage = directoryStorage(host, directory)
      const write = () => storage.write('trace/a.json', content, { signal })
      const error = await t.throwsAsync(write(), { code })
      t.true(error?.message.includes(join(directory, 'trace/a.json')))
      t.deepEqual(leftovers(directory), [])
      t.is(await storage.read('trace/a.json', all), undefined)
      isFailing = false
      await write()
      t.deepEqual(Buffer.from((await storage.read('trace/a.json', all)) ?? ''), content)
    }
  })
}

test('who may not write is told how a group shares a directory', async t => {
  for (const [how, hint] of [
    ['EACCES', /^to share it with a group.* find (\S+) .* chgrp GROUP .* chmod 2775 /],
    ['EROFS', /^$/],
  ] as const) {
    const { directory } = emptyCache(t)
    const host = watchedHost(nodeHost, change => {
      if (change === 'writeNew') throw systemError(how)
    })
    const write = directoryStorage(host, directory).write('trace/a.json', content, { signal })
    const error = await t.throwsAsync(write)
    const { hint: given = '' } = error as { hint?: string }
    t.regex(given, hint)
    if (how === 'EACCES') t.is(hint.exec(given)?.[1], directory)
  }
  const nowhere = watchedHost(nodeHost, () => {
    throw systemError('EACCES')
  })
  const absent = join(memoryDirectory(t), 'absent')
  const write = directoryStorage(nowhere, absent).write('trace/a.json', content, { signal })
  t.like(await t.throwsAsync(write), { code: 'CACHE_READ_ONLY', hint: undefined })
})

test('a file that may not be removed is CACHE_READ_ONLY', async t => {
  const { directory, storage: first } = emptyCache(t)
  await first.write('trace/a.json', content, { signal })
  const storage = directoryStorage(failing('unlink', 'EACCES'), directory)
  await t.throwsAsync(storage.remove('trace/a.json', { signal }), { code: 'CACHE_READ_ONLY' })
})

for (const [how, code] of [
  ['EACCES', 'CACHE_DENIED'],
  ['EIO', 'CACHE_UNAVAILABLE'],
  ['ESTALE', 'CACHE_UNAVAILABLE'],
] as const) {
  test(`${how} while reading is ${code}, never absent`, async t => {
    const { directory, storage: first } = emptyCache(t)
    await first.write('trace/a.json', content, { signal })
    for (const method of ['lstat', 'open', 'readAt'] as const) {
      const storage = directoryStorage(failing(method, how), directory)
      await t.throwsAsync(storage.read('trace/a.json', all), {
        code,
        message: new RegExp(`^${directory}/trace/a.json .*${how}$`),
      })
    }
    for (const method of ['lstat', 'list'] as const) {
      const storage = directoryStorage(failing(method, how), directory)
      await t.throwsAsync(Array.fromAsync(storage.list('trace/', { signal })), { code })
    }
  })
}

test('a symlink is never followed, be it the file or a directory on the way', async t => {
  const { directory, storage } = emptyCache(t)
  const outside = writeTree(memoryDirectory(t), { 'a.json': 'secret' })
  mkdirSync(join(directory, 'object'))
  symlinkSync(join(outside, 'a.json'), join(directory, 'object/a.json'))
  symlinkSync(outside, join(directory, 'trace'))
  for (const path of ['object/a.json', 'trace/a.json']) {
    await t.throwsAsync(storage.read(path, all), { code: 'CACHE_INVALID' })
    await t.throwsAsync(storage.has(path, { signal }), { code: 'CACHE_INVALID' })
  }
  for (const path of ['trace/a.json', 'trace/b.json']) {
    await t.throwsAsync(storage.write(path, content, { signal }), { code: 'CACHE_INVALID' })
    await t.throwsAsync(storage.remove(path, { signal }), { code: 'CACHE_INVALID' })
  }
  t.deepEqual(await Array.fromAsync(storage.list('', { signal })), [])
  await t.throwsAsync(Array.fromAsync(storage.list('trace/', { signal })), {
    code: 'CACHE_INVALID',
  })
  await storage.write('object/a.json', content, { signal })
  t.is(readFileSync(join(outside, 'a.json'), 'utf8'), 'secret')
  t.deepEqual(readdirSync(outside), ['a.json'])
})

test('a directory in the place of a file is CACHE_INVALID, also for a write', async t => {
  const { directory, storage } = emptyCache(t)
  mkdirSync(join(directory, 'pack/one.pack'), { recursive: true })
  writeFileSync(join(directory, 'trace'), '')
  const no = { code: 'CACHE_INVALID' }
  await t.throwsAsync(storage.read('pack/one.pack', all), no)
  await t.throwsAsync(storage.write('pack/one.pack', content, { signal }), no)
  await t.throwsAsync(storage.remove('pack/one.pack', { signal }), no)
  await t.throwsAsync(storage.read('trace/a.json', all), no)
  await t.throwsAsync(storage.write('trace/a.json', content, { signal }), no)
  t.deepEqual(leftovers(directory), [])
})

test('a directory with what is no cache of it is not written to', async t => {
  const directory = writeTree(memoryDirectory(t), { 'src/main.c': 'text' })
  const write = (): Promise<void> =>
    directoryStorage(nodeHost, directory).write('pack/a', Buffer.from('a'), all)
  await t.throwsAsync(write(), { code: 'CACHE_FOREIGN', message: /is no cache: it holds src$/ })
  t.deepEqual(nodeHost.files.list(directory), ['src'])
  writeTree(directory, { 'mixos-cache.json': '{}' })
  await t.notThrowsAsync(write())
})

test('a cache that is a file is told as such', async t => {
  const directory = join(memoryDirectory(t), 'cache')
  writeFileSync(directory, '')
  const storage = directoryStorage(nodeHost, directory)
  await t.throwsAsync(storage.write('pack/one.pack', content, { signal }), {
    code: 'CACHE_INVALID',
    message: new RegExp(`in the way of ${directory}`),
  })
})

test('of a range, only the range is read', async t => {
  const { directory, storage: first } = emptyCache(t)
  await first.write('pack/one.pack', content, { signal })
  const reads: [number, number][] = []
  const storage = directoryStorage(
    withFiles({
      readAt: (fd, buffer, position) => {
        reads.push([position, buffer.length])
        // A read may bring less than it was asked for.
        return nodeHost.files.readAt(fd, buffer.subarray(0, 100), position)
      },
    }),
    directory,
  )
  const data = await storage.read('pack/one.pack', { ...all, range: { offset: 500, length: 150 } })
  t.deepEqual(data, content.subarray(500, 650))
  t.deepEqual(reads, [
    [500, 150],
    [600, 50],
  ])
})

test('a file that shrinks while it is read is CACHE_INVALID', async t => {
  const { directory, storage: first } = emptyCache(t)
  await first.write('pack/one.pack', content, { signal })
  const storage = directoryStorage(withFiles({ readAt: () => 0 }), directory)
  await t.throwsAsync(storage.read('pack/one.pack', all), {
    code: 'CACHE_INVALID',
    message: /ended at byte 0 of 10000$/,
  })
})

test('what is not of the cache is not listed, nor what is being written', async t => {
  const { directory, storage } = emptyCache(t)
  await storage.write('pack/one.pack', content, { signal })
  const time = 1_700_000_000
  utimesSync(join(directory, 'pack/one.pack'), time, time)
  writeTree(directory, { 'tmp/half': '', '.nfs0001': '', 'pack/.nfs0002': '', 'lost+found/x': '' })
  t.deepEqual(await Array.fromAsync(storage.list('', { signal })), [
    { path: 'pack/one.pack', size: content.length, modified: time * 1000 },
  ])
  await t.throwsAsync(storage.read('tmp/half', all), { code: 'CACHE_INVALID' })
  await t.throwsAsync(storage.write('tmp/half', content, { signal }), { code: 'CACHE_INVALID' })
})

test('a list goes on where files and directories vanish', async t => {
  const { directory, storage: first } = emptyCache(t)
  for (const path of ['a/1', 'b/1', 'c/1']) await first.write(path, content, { signal })
  const storage = directoryStorage(
    withFiles({
      list: path => {
        if (path.endsWith('/b/')) throw systemError('ENOENT')
        return nodeHost.files.list(path)
      },
      lstat: path => (path.endsWith('/a/1') ? undefined : nodeHost.files.lstat(path)),
    }),
    directory,
  )
  const paths = (await Array.fromAsync(storage.list('', { signal }))).map(({ path }) => path)
  t.deepEqual(paths, ['c/1'])
})

test('what a writer that died left is deleted after a day', async t => {
  const { directory, storage: first } = emptyCache(t)
  await first.write('pack/one.pack', content, { signal })
  writeTree(directory, { 'tmp/old': '', 'tmp/new': '' })
  const twoDaysAgo = Date.now() / 1000 - 2 * 86_400
  utimesSync(join(directory, 'tmp/old'), twoDaysAgo, twoDaysAgo)
  const storage = directoryStorage(nodeHost, directory)
  await storage.write('pack/two.pack', content, { signal })
  t.deepEqual(readdirSync(join(directory, 'tmp')), ['new'])
})

test('what a team may write to stays so', async t => {
  const { directory, storage } = emptyCache(t)
  chmodSync(directory, 0o2770)
  await storage.write('trace/a/b.json', content, { signal })
  const modes = ['trace', 'trace/a', 'tmp'].map(path => statSync(join(directory, path)).mode)
  t.true(modes.every(mode => (mode & 0o777) === 0o770))
})

test('where everybody may write, nobody may delete what others wrote, also further down', async t => {
  const { directory, storage } = emptyCache(t)
  chmodSync(directory, 0o1777)
  await storage.write('trace/a/b.json', content, { signal })
  const modes = ['trace', 'trace/a', 'tmp'].map(path => statSync(join(directory, path)).mode)
  t.true(modes.every(mode => (mode & 0o7777) === 0o1777))
})

test('writers of the same file at once leave one of them whole', async t => {
  const { directory } = emptyCache(t)
  const writers = Array.from({ length: 20 }, (_, i) => ({
    storage: directoryStorage(nodeHost, directory),
    data: Buffer.alloc(5000 + i, i),
  }))
  await Promise.all(
    writers.map(({ storage, data }) => storage.write('trace/a.json', data, { signal })),
  )
  const left = readFileSync(join(directory, 'trace/a.json'))
  t.true(writers.some(({ data }) => data.equals(left)))
  t.deepEqual(leftovers(directory), [])
})

function emptyCache(t: ExecutionContext) {
  const directory = join(memoryDirectory(t), 'cache')
  mkdirSync(directory, { mode: 0o755 })
  return { directory, storage: directoryStorage(nodeHost, directory) }
}

function leftovers(directory: string): string[] {
  const scratch = join(directory, 'tmp')
  return existsSync(scratch) ? readdirSync(scratch) : []
}

function withFiles(files: Partial<Files>): Host {
  return { ...nodeHost, files: { ...nodeHost.files, ...files } }
}

function failing(method: 'lstat' | 'list' | 'open' | 'readAt' | 'unlink', code: string): Host {
  return withFiles({
    [method]: () => {
      throw systemError(code)
    },
  })
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}
