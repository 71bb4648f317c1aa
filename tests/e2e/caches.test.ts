import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { homeOf } from '../../cli/context.ts'
import { live } from '../../configs/systems/live.ts'
import { definitions } from '../../derivations/index.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { parseLock } from '../../graph/lock.ts'
import { packageSet } from '../../graph/package-set.ts'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { generateKey } from '../../store/cache/keys.ts'
import { INFO_PATH, objectPath, packPath, tracePath } from '../../store/cache/layout.ts'
import { INDEX_LIMIT, parseIndex } from '../../store/cache/object-index.ts'
import { openStorage } from '../../store/cache/open-storage.ts'
import { push } from '../../store/cache/push.ts'
import { serveCache } from '../../store/cache/serve.ts'
import type { CacheStorage, WritableStorage } from '../../store/cache/storage.ts'
import { directoryStorage } from '../../store/cache/storages/directory.ts'
import type { Event } from '../../store/event.ts'
import { machineMirrors } from '../../store/fetch/mirrors.ts'
import { nodeHost as host } from '../../store/hosts/node.ts'
import { objectClosure } from '../../store/object-closure.ts'
import { realize } from '../../store/realize.ts'
import { openStore, type Store } from '../../store/store.ts'
import { substituterOf } from '../../store/substituter.ts'
import type { Trace } from '../../store/traces.ts'
import { verify } from '../../store/verify.ts'
import {
  bucketAt,
  environmentOf,
  startNginx,
  startRegistry,
  startS3,
} from '../helpers/cache-servers.ts'
import { quietly, tempDirectory, tempStore } from '../helpers/temp-store.ts'

const { signal } = new AbortController()
const key = generateKey(host, 'colleague')
const lock = parseLock(readFileSync('flake-free.lock', 'utf8'))
const packages = packageSet(definitions({ lock, system: live() }))
const tools = {
  bubblewrap: packages.get('seeds-bubblewrap'),
  busybox: packages.get('seeds-busybox'),
}
const iso = packages.get('iso')
const home = openStore({ directory: homeOf(process.env, process.cwd()), host })
const token = '0123456789abcdef0123456789abcdef'

// From nothing, this takes half an hour.
test.before(() =>
  realize(home, [iso], {
    ...quietly(),
    tools,
    mirrors: machineMirrors(host, process.env),
    cores: 2,
  }),
)

/** Where a colleague pushes to, and where others take it from. */
interface Place {
  readonly write: WritableStorage
  readonly read: () => Promise<CacheStorage>
}

interface ServedPlace extends Place {
  /** At once: what is on its way breaks off. */
  readonly stop: () => Promise<void>
}

const servers: Record<string, (t: ExecutionContext) => Promise<ServedPlace>> = {
  'mixos cache serve': async t => {
    const directory = tempDirectory(t)
    const address = '127.0.0.1'
    const serving = await serveCache({
      host,
      directory,
      address,
      port: 0,
      uploadToken: token,
      signal,
    })
    t.teardown(() => serving.close())
    const open = (token?: string) => openStorage(serving.url, { host, env: {}, directory, token })
    return { write: await open(token), read: () => open(), stop: () => serving.close() }
  },
  nginx: async t => {
    const server = await startNginx()
    t.teardown(server.stop)
    const options = { host, env: {}, directory: '/' }
    return {
      write: directoryStorage(host, join(server.directory, 'files')),
      read: () => openStorage(server.base, options),
      stop: server.stop,
    }
  },
  'an S3 server': async t => {
    const server = await startS3()
    t.teardown(server.stop)
    const address = await bucketAt(server)
    const open = () => openStorage(address, { host, env: environmentOf(server), directory: '/' })
    return { write: await open(), read: open, stop: server.stop }
  },
  'an OCI registry': async t => {
    const server = await startRegistry()
    t.teardown(server.stop)
    const address = `oci://127.0.0.1:${server.port}/team/cache`
    const open = () => openStorage(address, { host, env: {}, directory: '/' })
    return { write: await open(), read: open, stop: server.stop }
  },
}

const places: Record<string, (t: ExecutionContext) => Promise<Place>> = {
  'a directory': async t => {
    const directory = tempDirectory(t)
    const open = () => openStorage(directory, { host, env: {}, directory })
    return { write: await open(), read: open }
  },
  ...servers,
}

for (const [name, open] of Object.entries(places)) {
  test.serial(
    `the image is taken from ${name}, and nothing is built or fetched for it`,
    async t => {
      t.timeout(600_000)
      const place = await open(t)
      await pushIso(place.write)
      const store = tempStore(t)
      const reads = new Map<string, number>()
      const { events, path } = await taking(store, async () => counted(await place.read(), reads))
      t.deepEqual(doneIn(events), ['substituted mixos.iso-0.1.0'])
      t.deepEqual(
        events.filter(({ type }) => type === 'warning'),
        [],
      )
      // AVA's own comparison takes a quarter of a minute for an image.
      t.true(readFileSync(store.hostPath(path)).equals(readFileSync(home.hostPath(path))))
      t.deepEqual((await verify(store)).problems, [])
      // Of what it was made from, nothing: what came is what it refers to.
      const closure = [...objectClosure(home, [path])].sort()
      t.deepEqual(store.paths(), closure)
      t.deepEqual(Object.fromEntries(reads), await neededBy(closure, await place.read()))
    },
  )
}

for (const [name, open] of Object.entries(servers)) {
  test.serial(`${name} that stops halfway is a miss, and the next cache has the rest`, async t => {
    t.timeout(600_000)
    const place = await open(t)
    const second = tempDirectory(t)
    await pushIso(place.write)
    await pushIso(directoryStorage(host, second))
    let packs = 0
    const first = async (): Promise<CacheStorage> => {
      const storage = await place.read()
      return {
        ...storage,
        read: async (path, options) => {
          // The image comes in several requests.
          if (path.startsWith('pack/') && ++packs === 2) await place.stop()
          return storage.read(path, options)
        },
      }
    }
    const store = tempStore(t)
    const { events, path } = await taking(store, first, async () => directoryStorage(host, second))
    t.true(packs >= 2)
    t.deepEqual(doneIn(events), ['substituted mixos.iso-0.1.0'])
    t.is(events.filter(({ type }) => type === 'warning').length, 1)
    t.true(readFileSync(store.hostPath(path)).equals(readFileSync(home.hostPath(path))))
    t.deepEqual((await verify(store)).problems, [])
  })
}

/** A storage that notes how many bytes of each file it gave. */
function counted(storage: CacheStorage, reads: Map<string, number>): CacheStorage {
  return {
    ...storage,
    read: async (path, options) => {
      const bytes = await storage.read(path, options)
      if (bytes) reads.set(path, (reads.get(path) ?? 0) + bytes.length)
      return bytes
    },
  }
}

/** The bytes of each file that must be read for the image: its trace, and of each object the index and its frames. */
async function neededBy(closure: readonly StorePath[], storage: CacheStorage) {
  const needed: Record<string, number> = {}
  const fileAt = async (path: string): Promise<Uint8Array> => {
    const bytes = await storage.read(path, { signal, limit: INDEX_LIMIT })
    if (!bytes) throw new Error(`there is no ${path}`)
    needed[path] = bytes.length
    return bytes
  }
  await fileAt(INFO_PATH)
  await fileAt(tracePath(hashDerivation(iso), key.public.id))
  for (const object of closure) {
    const { frames, packs } = parseIndex(await fileAt(objectPath(digestOfPath(object))), object, '')
    for (const { pack, length } of frames) {
      const path = packPath(packs[pack] ?? '')
      needed[path] = (needed[path] ?? 0) + length
    }
  }
  await storage.close()
  return needed
}

/** The image and what it refers to; not what it was made from, which is large. */
async function pushIso(storage: WritableStorage): Promise<void> {
  const trace = home.trace(hashDerivation(iso)) as Trace
  await push(home, storage, [trace], { key, signal, report: () => undefined })
}

async function taking(store: Store, ...opens: readonly (() => Promise<CacheStorage>)[]) {
  const events: Event[] = []
  const policy = { keys: [key.public], threshold: 1 }
  const caches = opens.map((open, index) => ({ name: `cache ${index}`, policy, open }))
  const report = (event: Event): void => void events.push(event)
  await using substituter = substituterOf(store, caches, { signal, report })
  const realized = await realize(store, [iso], { ...quietly(events), tools, substituter })
  return { events, path: realized.get(iso)?.out as StorePath }
}

const doneIn = (events: readonly Event[]): string[] =>
  events.flatMap(event => (event.type === 'done' ? [`${event.how} ${event.label}`] : []))
