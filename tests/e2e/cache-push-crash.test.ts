import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { type Derivation, derivation } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { type CollectOptions, collectCache } from '../../store/cache/collect.ts'
import type { WritableStorage } from '../../store/cache/storage.ts'
import { directoryStorage } from '../../store/cache/storages/directory.ts'
import { memoryStorage } from '../../store/cache/storages/memory.ts'
import { verifyCache } from '../../store/cache/verify.ts'
import { removeTree } from '../../store/disk/remove.ts'
import { type Change, type Fault, faultyHost } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import type { Realized } from '../../store/realize/options.ts'
import { realize } from '../../store/realize.ts'
import { openStore, type Store } from '../../store/store.ts'
import { verify } from '../../store/verify.ts'
import { endsWell, errorOf } from '../helpers/child.ts'
import { noise } from '../helpers/http-server.ts'
import type { PushWork } from '../helpers/push-child.ts'
import { PACKAGES, pushAll, readAll } from '../helpers/push-fixture.ts'
import { memoryDirectory, quietly } from '../helpers/temp-store.ts'

const CHILD = fileURLToPath(new URL('../helpers/push-child.ts', import.meta.url))
const { signal } = new AbortController()
// Each is a process; more at a time would wait for the processor.
const AT_A_TIME = 4
// Where others see a difference, as in store-crash.test.ts.
const VISIBLE: readonly Change[] = ['rename', 'symlink', 'unlink', 'sync']
const [first, , , last] = PACKAGES as [Derivation, Derivation, Derivation, Derivation]
const SOME = [first, last]
const NO_CACHE = 'the cache the cache is not used: there is no cache at this address'

for (const how of ['stops', 'fails once'] as const) {
  test(`whichever write it is at which a push ${how}, readers find all or nothing, and the next push completes`, async t => {
    const { store, realized } = await builtStore(t, SOME)
    await untilItEndsWell(async at => {
      const files = new Map<string, Uint8Array>()
      const error = await errorOf(pushAll(store, failing(files, { at, how }), SOME))
      if (error !== undefined) t.like(error, { code: 'CACHE_UNAVAILABLE' }, `${how} at ${at}`)
      await assertWhole(t, { store, realized, storage: memoryStorage(files), after: `at ${at}` })
      return error === undefined
    })
  })
}

for (const how of ['halt', 'EIO', 'ENOSPC'] as const) {
  const what = how === 'halt' ? 'after which nothing changes any more' : `that fails with ${how}`

  test(`whichever change of its directory it is ${what}, the next push completes`, async t => {
    const { store, realized } = await builtStore(t, [first])
    await untilItEndsWell(async at => {
      const directory = join(memoryDirectory(t), 'cache')
      const host = faultyHost(nodeHost, { at, how })
      const error = await errorOf(pushAll(store, directoryStorage(host, directory), [first]))
      if (error !== undefined) t.true(isSaid(error, how), `${how} at ${at} gave ${String(error)}`)
      const storage = directoryStorage(nodeHost, directory)
      await assertWhole(t, { store, realized, storage, after: `${how} at ${at}` })
      return error === undefined
    })
  })
}

test('a pusher that is killed leaves a cache that the next push completes', async t => {
  const { store, realized } = await builtStore(t, [first])
  await untilItSurvives(async at => {
    const cache = join(memoryDirectory(t), 'cache')
    const fault: Fault = { at, how: 'kill', among: VISIBLE }
    const work = { store: store.directory, cache, packages: [0], fault } satisfies PushWork
    const isWell = await endsWell(CHILD, work)
    const storage = directoryStorage(nodeHost, cache)
    await assertWhole(t, { store, realized, storage, after: `killed at ${at}` })
    return isWell
  })
})

for (const pushers of [2, 4]) {
  test(`${pushers} pushers at once leave a whole cache`, async t => {
    const { store, realized } = await builtStore(t)
    const cache = join(memoryDirectory(t), 'cache')
    const works = Array.from({ length: pushers }, (_, index) =>
      Array.from({ length: 4 / pushers }, (_, nth) => index + pushers * nth),
    )
    const ends = works.map(packages =>
      endsWell(CHILD, { store: store.directory, cache, packages } satisfies PushWork),
    )
    t.deepEqual(await Promise.all(ends), Array(pushers).fill(true))
    t.deepEqual(readdirSync(join(cache, 'tmp')), [])
    const storage = directoryStorage(nodeHost, cache)
    await assertComplete(t, { realized, storage, after: 'all' })
    t.like(await pushAll(store, storage), { bytes: 0, signed: 0 })
    t.deepEqual(
      (
        await verifyCache(memoryStore(t), storage, {
          keys: [],
          drop: false,
          signal,
          report: () => undefined,
        })
      ).problems,
      [],
    )
  })
}

test('whenever a collection comes while somebody reads, what is read is right or built', async t => {
  const { store, realized } = await builtStore(t, SOME)
  let [hits, misses] = [0, 0]
  await untilItEndsWell(async at => {
    const cache = agingCache()
    await pushAll(store, cache.storage, SOME)
    cache.age()
    const isPast = cache.at(at, () => collectCache(cache.storage, keeping(first)))
    const reader = memoryStore(t)
    const { built, warnings, ...got } = await readAll(reader, cache.watched, SOME)
    t.deepEqual(got.realized, realized, `at ${at}`)
    await assertSound(t, reader, `at ${at}`)
    t.true(warnings.length <= 1, `at ${at}: ${warnings.join('; ')}`)
    t.false(built.includes('first-1'), `at ${at}: what the collection keeps was built`)
    if (built.length > 0) misses++
    else hits++
    return !isPast()
  })
  t.true(hits > 0 && misses > 0, `${hits} hits, ${misses} misses`)
})

test('whichever removal it is at which a collection stops, readers find all or nothing', async t => {
  const { store, realized } = await builtStore(t, SOME)
  await untilItEndsWell(async at => {
    const cache = agingCache()
    await pushAll(store, cache.storage, SOME)
    cache.age()
    let removals = 0
    const storage: WritableStorage = {
      ...cache.storage,
      remove: async (path, options) => {
        if (++removals === at) throw new MixosError('CACHE_UNAVAILABLE', 'stopped')
        await cache.storage.remove(path, options)
      },
    }
    const error = await errorOf(collectCache(storage, keeping(first)))
    await assertWhole(t, { store, realized, storage: cache.storage, after: `at ${at}` })
    return error === undefined
  })
})

test('whenever a collection comes while somebody pushes, all is there when the push ends', async t => {
  const { store, realized } = await builtStore(t, SOME)
  await untilItEndsWell(async at => {
    const cache = agingCache()
    await pushAll(daysEarlier(store), cache.storage, [last])
    cache.age()
    const isPast = cache.at(at, () => collectCache(cache.storage, keeping()))
    await pushAll(store, cache.watched, SOME)
    await assertComplete(t, { realized, storage: cache.storage, after: `at ${at}` })
    return !isPast()
  })
})

test('a collection that takes the version before from under a push makes it write that anew', async t => {
  const versions = ['1', '2'].map(program) as [Derivation, Derivation]
  const { store, realized } = await builtStore(t, versions)
  const wanted = new Map([...realized].filter(([drv]) => drv === versions[1]))
  await untilItEndsWell(async at => {
    const cache = agingCache()
    await pushAll(store, cache.storage, [versions[0]])
    cache.age()
    const isPast = cache.at(at, () => collectCache(cache.storage, keeping()))
    await pushAll(store, cache.watched, [versions[1]])
    const { storage } = cache
    await assertComplete(t, { realized: wanted, storage, after: `at ${at}` })
    return !isPast()
  })
})

test('whenever a push comes while a collection runs, the next push completes', async t => {
  const { store, realized } = await builtStore(t, SOME)
  await untilItEndsWell(async at => {
    const cache = agingCache()
    await pushAll(store, cache.storage, SOME)
    cache.age()
    const isPast = cache.at(at, () => pushAll(store, cache.storage, SOME))
    await collectCache(cache.watched, keeping())
    await assertRepaired(t, { store, realized, storage: cache.storage, after: `at ${at}` })
    return !isPast()
  })
})

for (const [nth, when] of ['comes', 'has looked', 'has deleted traces'].entries()) {
  test(`what is pushed when a collection ${when} stays, with all that it refers to`, async t => {
    const { store, realized } = await builtStore(t, SOME)
    const cache = agingCache()
    await pushAll(daysEarlier(store), cache.storage, SOME)
    cache.age()
    let looks = 0
    const storage: WritableStorage = {
      ...cache.storage,
      list: async function* (prefix, options) {
        if (prefix === 'trace/' && looks++ === nth) await pushAll(store, cache.storage, [last])
        yield* cache.storage.list(prefix, options)
      },
    }
    await collectCache(storage, keeping())
    const wanted = new Map([...realized].filter(([drv]) => drv === last))
    await assertComplete(t, { realized: wanted, storage: cache.storage, after: when })
    t.true(looks > nth)
  })
}

/** Versions share a large file. */
function program(version: string): Derivation {
  const files = JSON.stringify({ version, large: noise(300_000).toString('hex') })
  return derivation({ name: 'program', version, builder: ['builtin:files'], env: { files } })
}

/** What it signs is signed anew by who pushes now. */
function daysEarlier(store: Store): Store {
  const { now } = store.host
  return { ...store, host: { ...store.host, now: () => now() - 2 * 24 * 3_600_000 } }
}

interface Built {
  readonly store: Store
  readonly realized: Realized
}

function memoryStore(t: ExecutionContext): Store {
  return openStore({ directory: join(memoryDirectory(t), 'mixos'), host: nodeHost })
}

async function builtStore(
  t: ExecutionContext,
  packages: readonly Derivation[] = PACKAGES,
): Promise<Built> {
  const store = memoryStore(t)
  return { store, realized: await realize(store, packages, quietly()) }
}

interface Wanted {
  readonly realized: Realized
  readonly storage: WritableStorage
  readonly after: string
}

/** What is there is whole before anything is repaired, and everything is after the next push. */
async function assertWhole(
  t: ExecutionContext,
  { store, ...wanted }: Wanted & { store: Store },
): Promise<void> {
  const warnings = await assertRight(t, wanted)
  const isThere = await wanted.storage.has('mixos-cache.json', { signal })
  t.deepEqual(warnings, isThere ? [] : [NO_CACHE], wanted.after)
  await pushAll(store, wanted.storage, [...wanted.realized.keys()])
  await assertComplete(t, wanted)
}

/** Whoever reads is told nothing wrong, and builds nothing after the next push. */
async function assertRepaired(
  t: ExecutionContext,
  { store, ...wanted }: Wanted & { store: Store },
): Promise<void> {
  await assertRight(t, wanted)
  await pushAll(store, wanted.storage, [...wanted.realized.keys()])
  await assertComplete(t, wanted)
}

/** Whoever reads has the right outputs, from the cache or not. Gives the warnings. */
async function assertRight(
  t: ExecutionContext,
  { realized, storage, after }: Wanted,
): Promise<readonly string[]> {
  const reader = memoryStore(t)
  const read = await readAll(reader, storage, [...realized.keys()])
  t.deepEqual(read.realized, realized, after)
  await assertSound(t, reader, after)
  removeTree(nodeHost, reader.directory)
  return read.warnings
}

/** Whoever reads builds nothing. */
async function assertComplete(
  t: ExecutionContext,
  { realized, storage, after }: Wanted,
): Promise<void> {
  const reader = memoryStore(t)
  const read = await readAll(reader, storage, [...realized.keys()])
  t.deepEqual(read, { realized, warnings: [], built: [] }, after)
  await assertSound(t, reader, after)
  removeTree(nodeHost, reader.directory)
}

async function assertSound(t: ExecutionContext, store: Store, after: string): Promise<void> {
  t.deepEqual((await verify(store)).problems, [], after)
  t.deepEqual(readdirSync(store.layout.scratch), [], after)
}

/** A storage whose given write fails, and with `stops` all after it too. */
function failing(
  files: Map<string, Uint8Array>,
  { at, how }: { at: number; how: 'stops' | 'fails once' },
): WritableStorage {
  const storage = memoryStorage(files)
  let writes = 0
  return {
    ...storage,
    write: async (path, data, options) => {
      writes++
      const isDue = writes === at || (how === 'stops' && writes > at)
      if (isDue) throw new MixosError('CACHE_UNAVAILABLE', `injected at ${path}`)
      await storage.write(path, data, options)
    },
  }
}

interface AgingCache {
  readonly storage: WritableStorage
  /** The same, where something may happen ahead of each call. */
  readonly watched: WritableStorage
  /** Makes everything old that is there. */
  age(): void
  /** Acts ahead of the given call, counted from 1. What is returned tells whether it came to that. */
  at(call: number, action: () => Promise<unknown>): () => boolean
}

/** A cache in memory of which a collection can tell what is being pushed. */
function agingCache(): AgingCache {
  const files = new Map<string, Uint8Array>()
  const old = new Set<string>()
  const memory = memoryStorage(files)
  let before = async (): Promise<void> => undefined
  const storage: WritableStorage = {
    ...memory,
    write: async (path, data, options) => {
      await memory.write(path, data, options)
      old.delete(path)
    },
    list: async function* (prefix, options) {
      const found = await Array.fromAsync(memory.list(prefix, options))
      for (const file of found) yield { ...file, modified: old.has(file.path) ? OLD : YOUNG }
    },
  }
  const ahead =
    <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      await before()
      return call(...args)
    }
  const watched: WritableStorage = {
    ...storage,
    read: ahead(storage.read),
    has: ahead(storage.has),
    write: ahead(storage.write),
    remove: ahead(storage.remove),
    list: async function* (prefix, options) {
      await before()
      yield* storage.list(prefix, options)
    },
  }
  return {
    storage,
    watched,
    age: () => {
      for (const path of files.keys()) old.add(path)
    },
    at: (due, action) => {
      let calls = 0
      before = async () => {
        if (++calls === due) await action()
      }
      return () => calls >= due
    },
  }
}
const [OLD, YOUNG] = [1, 3]

/** Everything else goes that is old. */
function keeping(...packages: readonly Derivation[]): CollectOptions {
  const keep = new Set<string>(packages.map(hashDerivation))
  return { keep, since: YOUNG, youngerThan: YOUNG, signal, dryRun: false }
}

/** Tries 1, 2, … until some in a row end well, after which nothing is left to fail. */
async function untilItEndsWell(attempt: (at: number) => Promise<boolean>): Promise<void> {
  let well = 0
  for (let at = 1; well < 4; at++) well = (await attempt(at)) ? well + 1 : 0
}

/** Tries 1, 2, … until one survives, since then there is no such change any more. */
async function untilItSurvives(attempt: (at: number) => Promise<boolean>): Promise<void> {
  for (let from = 1; ; from += AT_A_TIME) {
    const batch = Array.from({ length: AT_A_TIME }, (_, index) => attempt(from + index))
    if ((await Promise.all(batch)).includes(true)) return
  }
}

/** What is thrown says that the cache could not be written, and comes from the injected error. */
function isSaid(error: unknown, how: Fault['how']): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } }
  const codes = how === 'ENOSPC' ? ['DISK_FULL'] : ['CACHE_UNAVAILABLE']
  return (code === how || codes.includes(code ?? '')) && (cause === undefined || cause.code === how)
}
