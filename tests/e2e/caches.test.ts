import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { homeOf } from '../../cli/context.ts'
import { live } from '../../configs/systems/live.ts'
import { definitions } from '../../derivations/index.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { parseLock } from '../../graph/lock.ts'
import { packageSet } from '../../graph/package-set.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { generateKey } from '../../store/cache/keys.ts'
import { openStorage } from '../../store/cache/open-storage.ts'
import { push } from '../../store/cache/push.ts'
import { serveCache } from '../../store/cache/serve.ts'
import type { CacheStorage, WritableStorage } from '../../store/cache/storage.ts'
import { awsCredentials } from '../../store/cache/storages/aws-credentials.ts'
import { directoryStorage } from '../../store/cache/storages/directory.ts'
import { parseS3Address } from '../../store/cache/storages/s3-address.ts'
import { openBucket } from '../../store/cache/storages/s3-bucket.ts'
import type { Event } from '../../store/event.ts'
import { machineMirrors } from '../../store/fetch/mirrors.ts'
import { nodeHost as host } from '../../store/hosts/node.ts'
import { objectClosure } from '../../store/object-closure.ts'
import { realize } from '../../store/realize.ts'
import { openStore, type Store } from '../../store/store.ts'
import { substituterOf } from '../../store/substituter.ts'
import type { Trace } from '../../store/traces.ts'
import { verify } from '../../store/verify.ts'
import { startNginx, startRegistry, startS3 } from '../helpers/cache-servers.ts'
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

const places: Record<string, (t: ExecutionContext) => Promise<Place>> = {
  'a directory': async t => {
    const directory = tempDirectory(t)
    const open = () => openStorage(directory, { host, env: {}, directory })
    return { write: await open(), read: open }
  },
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
    return { write: await open(token), read: () => open() }
  },
  nginx: async t => {
    const server = await startNginx()
    t.teardown(server.stop)
    const options = { host, env: {}, directory: '/' }
    return {
      write: directoryStorage(host, join(server.directory, 'files')),
      read: () => openStorage(server.base, options),
    }
  },
  'an S3 server': async t => {
    const server = await startS3()
    t.teardown(server.stop)
    const { accessKeyId, secretAccessKey, base } = server
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
    await makeBucket(base, env)
    const address = `s3://team/cache?endpoint=${encodeURIComponent(base)}&region=us-east-1`
    const open = () => openStorage(address, { host, env, directory: '/' })
    return { write: await open(), read: open }
  },
  'an OCI registry': async t => {
    const server = await startRegistry()
    t.teardown(server.stop)
    const address = `oci://127.0.0.1:${server.port}/team/cache`
    const open = () => openStorage(address, { host, env: {}, directory: '/' })
    return { write: await open(), read: open }
  },
}

for (const [name, open] of Object.entries(places)) {
  test.serial(
    `the image is taken from ${name}, and nothing is built or fetched for it`,
    async t => {
      t.timeout(600_000)
      const place = await open(t)
      await pushIso(place.write)
      const store = tempStore(t)
      const { events, path } = await taking(store, place.read)
      t.deepEqual(doneIn(events), ['substituted mixos.iso-0.1.0'])
      t.deepEqual(
        events.filter(({ type }) => type === 'warning'),
        [],
      )
      // AVA's own comparison takes a quarter of a minute for an image.
      t.true(readFileSync(store.hostPath(path)).equals(readFileSync(home.hostPath(path))))
      t.deepEqual((await verify(store)).problems, [])
      // Of what it was made from, nothing: what came is what it refers to.
      t.deepEqual(store.paths(), [...objectClosure(home, [path])].sort())
    },
  )
}

test.serial('a server that stops halfway is a miss, and the next cache has the rest', async t => {
  const [first, second] = [tempDirectory(t), tempDirectory(t)]
  for (const directory of [first, second]) await pushIso(directoryStorage(host, directory))
  const served: string[] = []
  const serving = await serveCache({
    host,
    directory: first,
    address: '127.0.0.1',
    port: 0,
    signal,
    // The image comes in several requests.
    onRequest: ({ path }) => {
      served.push(path)
      if (path.includes('/pack/')) void serving.close()
    },
  })
  const open = (address: string) => () => openStorage(address, { host, env: {}, directory: '/' })
  const store = tempStore(t)
  const { events } = await taking(store, open(serving.url), open(second))
  t.true(served.some(path => path.includes('/pack/')))
  t.deepEqual(doneIn(events), ['substituted mixos.iso-0.1.0'])
  t.is(events.filter(({ type }) => type === 'warning').length, 1)
  t.deepEqual((await verify(store)).problems, [])
})

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

async function makeBucket(base: string, env: Readonly<Record<string, string>>): Promise<void> {
  const url = new URL(`s3://team?endpoint=${encodeURIComponent(base)}&region=us-east-1`)
  const credentials = awsCredentials(host, env)
  const bucket = openBucket(parseS3Address(url, env), credentials, { host, env })
  const { status, data } = await bucket.send('', { method: 'PUT', signal, limit: 10_000 })
  await bucket.close()
  if (status !== 200) throw new Error(`no bucket: ${data}`)
}
