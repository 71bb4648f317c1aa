import { readdirSync, rmSync, truncateSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { StorePath } from '../../../graph/store-path.ts'
import { collectCache } from '../../../store/cache/collect.ts'
import { INDEX_LIMIT } from '../../../store/cache/object-index.ts'
import type { WritableStorage } from '../../../store/cache/storage.ts'
import { directoryStorage } from '../../../store/cache/storages/directory.ts'
import { verifyCache } from '../../../store/cache/verify.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import type { Store } from '../../../store/store.ts'
import { pulled, pushed } from '../../helpers/copies.ts'
import { fileOf, sharedCache } from '../../helpers/shared-cache.ts'
import { addTree, tempDirectory, tempStore } from '../../helpers/temp-store.ts'

const { signal } = new AbortController()
const LATER = Date.now() + 3_600_000
const everything = {
  keep: new Set<string>(),
  since: LATER,
  youngerThan: LATER,
  signal,
  dryRun: false,
}
// Files in memory have no age: all of them count as old, or as new.
const nothing = { ...everything, since: 0, youngerThan: 1 }

test('all that nobody keeps goes, and what is not of a cache stays', async t => {
  const { storage, files } = await sharedCache(t)
  const others = ['object/readme.txt', 'pack/index.html', 'trace/notes/all.json']
  for (const path of others) files.set(path, Buffer.from('not ours'))
  const gone = await collectCache(storage, everything)
  t.like(gone, { traces: 3, objects: 2 })
  t.deepEqual([...files.keys()].sort(), ['mixos-cache.json', ...others].sort())
})

const DAMAGES = {
  'a damaged trace that is kept': ['trace/', (path: string) => `${path}: it is not JSON`],
  'a damaged index that is needed': [
    'object/',
    (path: string) => `${path} is not the index of \\w{32}-program-1`,
  ],
} as const
for (const [what, [prefix, message]] of Object.entries(DAMAGES)) {
  test(`${what} stops a collection before anything is deleted`, async t => {
    const { storage, files } = await sharedCache(t)
    const path = fileOf(files, prefix, /program-1/)
    files.set(path, Buffer.from('{'))
    const before = [...files.keys()]
    await t.throwsAsync(collectCache(storage, nothing), {
      code: 'CACHE_INVALID',
      message: new RegExp(message(path)),
    })
    t.deepEqual([...files.keys()], before)
  })
}

test('what a push found present while it was collected is there when the push is done', async t => {
  const { store, directory, collect, dead } = await forgottenCache(t)
  const path = await dead('tree', 'text')
  await collect({ object: () => pushed(store, [path], directoryStorage(nodeHost, directory)) })
  await isWhole(t, directory, path)
})

test('what a push found present stays where a collection ends in the middle', async t => {
  const { store, directory, collect, dead } = await forgottenCache(t)
  const path = await dead('tree', 'text')
  const end = new AbortController()
  const act = async (): Promise<void> => {
    await pushed(store, [path], directoryStorage(nodeHost, directory))
  }
  const failure = collect({
    object: act,
    removed: () => end.abort(new Error('ended')),
    signal: end.signal,
  })
  await t.throwsAsync(failure, { message: 'ended' })
  await isWhole(t, directory, path)
})

test('what is pushed again while its packs are deleted stays', async t => {
  const { store, directory, collect, dead } = await forgottenCache(t)
  const path = await dead('tree', 'text')
  await collect({ pack: () => pushed(store, [path], directoryStorage(nodeHost, directory)) })
  await isWhole(t, directory, path)
})

test('a push relies on no pack of a version that has gone meanwhile', async t => {
  const { store, directory, collect, dead } = await forgottenCache(t)
  await dead('tree', 'text')
  const next = await addTree(store, 'tree', { tree: { same: SAME, text: 'other' } })
  const plain = directoryStorage(nodeHost, directory)
  const [hasFound, maySettle] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  // It has read where the old version's files are, and says where its own are when packs go.
  const late: WritableStorage = {
    ...plain,
    write: async (path, ...rest) => {
      if (path.startsWith('object/')) {
        hasFound.resolve()
        await maySettle.promise
      }
      return plain.write(path, ...rest)
    },
  }
  const pushing = pushed(store, [next], late)
  await hasFound.promise
  await collect({
    pack: async () => {
      maySettle.resolve()
      await pushing
    },
  })
  await isWhole(t, directory, next)
})

test('an index that is larger than any may be goes like one that is damaged', async t => {
  const { directory, collect, dead } = await forgottenCache(t)
  await dead('tree', 'text')
  const [name = ''] = readdirSync(join(directory, 'object'))
  truncateSync(join(directory, 'object', name), INDEX_LIMIT + 1)
  age(directory)
  t.like(await collect({}), { objects: 1, packs: 1 })
})

const SAME = 'the same in all versions'.repeat(20_000)
const DAY = 24 * 3_600_000

/** What happens while a cache is collected. */
interface During {
  /** Once, before the first file of that kind is removed. */
  readonly object?: () => Promise<unknown>
  readonly pack?: () => Promise<unknown>
  /** After each. */
  readonly removed?: () => void
  readonly signal?: AbortSignal
}

/** A cache in a directory, of which no trace leads anywhere. */
async function forgottenCache(t: ExecutionContext): Promise<{
  store: Store
  directory: string
  /** Pushes an object that nobody has asked for in a long time. */
  dead: (name: string, text: string) => Promise<StorePath>
  collect: (during: During) => ReturnType<typeof collectCache>
}> {
  const store = tempStore(t)
  const directory = tempDirectory(t)
  const storage = directoryStorage(nodeHost, directory)
  return {
    store,
    directory,
    dead: async (name, text) => {
      const path = await addTree(store, name, { tree: { same: SAME, text } })
      await pushed(store, [path], storage)
      rmSync(join(directory, 'trace'), { recursive: true })
      age(directory)
      return path
    },
    collect: ({ object, pack, removed, signal: ended = signal }) => {
      const waiting = new Map(Object.entries({ object, pack }))
      const watched: WritableStorage = {
        ...storage,
        remove: async (path, options) => {
          const kind = path.split('/')[0] as string
          const act = waiting.get(kind)
          waiting.delete(kind)
          await act?.()
          await storage.remove(path, options)
          removed?.()
        },
      }
      const now = Date.now()
      const ages = { keep: new Set<string>(), since: now - 30 * DAY, youngerThan: now - DAY }
      return collectCache(watched, { ...ages, signal: ended, dryRun: false })
    },
  }
}

/** Makes all that was pushed old. */
function age(directory: string): void {
  for (const kind of ['object', 'pack']) {
    for (const name of readdirSync(join(directory, kind)))
      utimesSync(join(directory, kind, name), 1000, 1000)
  }
}

async function isWhole(t: ExecutionContext, directory: string, path: StorePath): Promise<void> {
  const other = tempStore(t)
  const storage = directoryStorage(nodeHost, directory)
  await pulled(other, [path], storage)
  t.true(other.hasWhole(path))
  const options = { keys: [], drop: false, signal, report: () => undefined }
  t.deepEqual((await verifyCache(other, storage, options)).problems, [])
}
