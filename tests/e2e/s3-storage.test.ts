import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { WritableStorage } from '../../store/cache/storage.ts'
import { awsCredentials } from '../../store/cache/storages/aws-credentials.ts'
import { s3Storage } from '../../store/cache/storages/s3.ts'
import { parseS3Address } from '../../store/cache/storages/s3-address.ts'
import { parsePage } from '../../store/cache/storages/s3-answer.ts'
import { type Bucket, openBucket, type S3Options } from '../../store/cache/storages/s3-bucket.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { type S3Server, startNginx, startS3 } from '../helpers/cache-servers.ts'
import { noise, serve } from '../helpers/http-server.ts'
import { tempDirectory, writeTree } from '../helpers/temp-store.ts'
import { testCacheStorage } from '../suites/cache-storage.ts'

type Environment = Readonly<Record<string, string | undefined>>

const signal = new AbortController().signal
const all = { signal, limit: 1_000_000 }
// The server is one process in Python, and the machine may be busy.
const patience = { answer: 30_000, change: 60_000 }

let server: S3Server
let prefixes = 0
test.before(async () => {
  server = await startS3()
  const bucket = bucketOf('cache')
  const made = await bucket.send('', { method: 'PUT', signal, limit: 10_000 })
  if (made.status !== 200) throw new Error(`no bucket: ${made.data}\n${server.log()}`)
  await bucket.close()
})
test.after.always(() => server?.stop())

testCacheStorage('s3', () => storageOf(`cache/team/${prefixes++}`))

test('a storage without a prefix lists only what a cache may hold', async t => {
  const bucket = bucketOf('plain')
  t.teardown(() => bucket.close())
  for (const key of ['', 'object/a.json', 'Photos/me & you.jpg', 'object/', '.hidden']) {
    const body = Buffer.from(key)
    const answer = await bucket.send(key, { method: 'PUT', signal, limit: 10_000, body })
    t.is(answer.status, 200, key)
  }
  const storage = await opened(t, 'plain')
  const found = await Array.fromAsync(storage.list('', { signal }))
  t.deepEqual(
    found.map(({ path, size }) => [path, size]),
    [['object/a.json', 13]],
  )
})

test('a listing goes on over several pages', async t => {
  const storage = await opened(t, 'cache/pages', { pageSize: 10 })
  const paths = Array.from({ length: 25 }, (_, i) => `trace/${i + 10}.json`)
  await Promise.all(paths.map(path => storage.write(path, Buffer.from('x'), { signal })))
  const found = await Array.fromAsync(storage.list('trace/', { signal }))
  t.deepEqual(found.map(({ path }) => path).sort(), paths)
})

test('a pack of 64 MiB is written and read', async t => {
  const storage = await opened(t, 'cache/large')
  const pack = Buffer.alloc(64 * 2 ** 20, noise(1_000_003))
  await storage.write('pack/a.pack', pack, { signal })
  const read = await storage.read('pack/a.pack', { signal, limit: pack.length })
  t.true(pack.equals(read as Uint8Array))
})

test('a bucket that does not exist is CACHE_UNAVAILABLE and named, never an absent file', async t => {
  const storage = await opened(t, 'nowhere/x')
  const error = { code: 'CACHE_UNAVAILABLE', message: /there is no bucket nowhere/ }
  await t.throwsAsync(storage.read('a', all), error)
  await t.throwsAsync(storage.has('a', { signal }), error)
  await t.throwsAsync(storage.write('a', noise(10), { signal }), error)
  await t.throwsAsync(storage.remove('a', { signal }), error)
  await t.throwsAsync(Array.fromAsync(storage.list('', { signal })), error)
})

for (const [what, wrong] of [
  ['secret', { AWS_SECRET_ACCESS_KEY: 'wrong' }],
  ['user', { AWS_ACCESS_KEY_ID: 'nobody:here' }],
] as const) {
  test(`a wrong ${what} is CACHE_DENIED`, async t => {
    const storage = await opened(t, 'cache/x', { env: { ...credentials(), ...wrong } })
    const error = { code: 'CACHE_DENIED', message: /^s3:\/\/cache\/x/ }
    await t.throwsAsync(storage.read('a', all), error)
    await t.throwsAsync(storage.has('a', { signal }), error)
    await t.throwsAsync(storage.write('a', noise(100), { signal }), error)
    await t.throwsAsync(storage.write('a', noise(300_000), { signal }), error)
    await t.throwsAsync(storage.remove('a', { signal }), error)
    await t.throwsAsync(Array.fromAsync(storage.list('', { signal })), error)
  })
}

test('without credentials, files that anyone may read are read, and writing is CACHE_DENIED with a hint', async t => {
  const web = await startNginx()
  t.teardown(web.stop)
  writeTree(join(web.directory, 'files'), { 'cache/team/object/a.json': 'hello' })
  const url = new URL(`s3://cache/team?endpoint=${web.base}`)
  const storage = await s3Storage(url, { host: nodeHost, env: {}, patience })
  t.teardown(() => storage.close())
  t.is(String(await storage.read('object/a.json', all)), 'hello')
  const range = { offset: 1, length: 3 }
  t.is(String(await storage.read('object/a.json', { ...all, range })), 'ell')
  t.true(await storage.has('object/a.json', { signal }))
  for (const change of [
    storage.write('a', noise(10), { signal }),
    storage.remove('a', { signal }),
  ]) {
    const error = await t.throwsAsync(change, { code: 'CACHE_DENIED' })
    t.regex((error as { hint?: string }).hint ?? '', /AWS_ACCESS_KEY_ID/)
  }
})

test('a server that takes no uploads is CACHE_READ_ONLY', async t => {
  const web = await startNginx()
  t.teardown(web.stop)
  const url = new URL(`s3://cache/team?endpoint=${web.base}`)
  const storage = await s3Storage(url, { host: nodeHost, env: credentials(), patience })
  t.teardown(() => storage.close())
  await t.throwsAsync(storage.remove('a', { signal }), { code: 'CACHE_READ_ONLY' })
})

test('a server that is not there is CACHE_UNAVAILABLE', async t => {
  const url = new URL('s3://cache/team?endpoint=http://127.0.0.1:9')
  const storage = await s3Storage(url, { host: nodeHost, env: credentials() })
  t.teardown(() => storage.close())
  await t.throwsAsync(storage.read('a', all), { code: 'CACHE_UNAVAILABLE' })
})

test('a server that answers 503 is CACHE_UNAVAILABLE', async t => {
  const { base } = await serve(t, {
    '/cache/a': (_, response) => void response.writeHead(503).end('<Code>SlowDown</Code>'),
    '/cache/b': (_, response) => void response.writeHead(503).end('<Code>\x1b[31m</Code>'),
  })
  const url = new URL(`s3://cache?endpoint=${base}`)
  const storage = await s3Storage(url, { host: nodeHost, env: credentials() })
  t.teardown(() => storage.close())
  await t.throwsAsync(storage.read('a', all), { code: 'CACHE_UNAVAILABLE', message: /SlowDown/ })
  // What a server says may not write to the terminal.
  const error = await t.throwsAsync(storage.read('b', all), { code: 'CACHE_UNAVAILABLE' })
  t.notRegex(String(error?.message), /\[31m/)
})

test('a server that says nothing is given up after two seconds', async t => {
  const { base } = await serve(t, { '/cache/a': () => undefined })
  const url = new URL(`s3://cache?endpoint=${base}`)
  const storage = await s3Storage(url, { host: nodeHost, env: credentials() })
  t.teardown(() => storage.close())
  const error = { code: 'CACHE_UNAVAILABLE', message: /within 2 s/ }
  await t.throwsAsync(storage.read('a', all), error)
})

test('a bucket of another region is CACHE_UNAVAILABLE, with the region in the hint', async t => {
  const { base } = await serve(t, {
    '/cache/a': (_, response) =>
      void response.writeHead(301, { 'x-amz-bucket-region': 'eu-north-1' }).end(),
  })
  const url = new URL(`s3://cache?endpoint=${base}`)
  const storage = await s3Storage(url, { host: nodeHost, env: credentials() })
  t.teardown(() => storage.close())
  const error = await t.throwsAsync(storage.read('a', all), { code: 'CACHE_UNAVAILABLE' })
  t.regex((error as { hint?: string }).hint ?? '', /region=eu-north-1/)
})

const addressOf = (url: string, env: Environment = {}) => parseS3Address(new URL(url), env)

test('an address without an endpoint is one of Amazon', t => {
  t.is(addressOf('s3://cache/x').base.href, 'https://cache.s3.us-east-1.amazonaws.com/')
  const dotted = addressOf('s3://a.b/x?region=eu-north-1')
  t.is(dotted.base.href, 'https://s3.eu-north-1.amazonaws.com/a.b/')
  t.is(dotted.prefix, 'x/')
  t.is(addressOf('s3://cache', { AWS_REGION: 'eu-west-1' }).region, 'eu-west-1')
})

test('an endpoint has the bucket in its path', t => {
  const { base, prefix } = addressOf('s3://cache/a/b/?endpoint=https://s3.example/root/')
  t.is(base.href, 'https://s3.example/root/cache/')
  t.is(prefix, 'a/b/')
  const env = { AWS_ENDPOINT_URL: 'http://127.0.0.1:9000' }
  t.is(addressOf('s3://cache', env).base.href, 'http://127.0.0.1:9000/cache/')
})

for (const url of [
  's3:///x',
  's3://a',
  's3://key:secret@cache/x',
  's3://cache/x?regoin=a',
  's3://cache/x?endpoint=ftp://x',
  's3://cache/x?endpoint=example',
  's3://cache/x?region=a.example/',
  's3://cache/a//b',
  's3://cache/a%2fb',
  's3://cache/%zz',
  's3://cache/.a',
]) {
  test(`${url} is BAD_ARGUMENT, without what is secret in it`, t => {
    const error = t.throws(() => addressOf(url), { code: 'BAD_ARGUMENT' })
    t.notRegex(String(error?.message), /secret/)
  })
}

test('credentials are those of the environment, else of a profile', async t => {
  const home = tempDirectory(t)
  mkdirSync(join(home, '.aws'))
  const ini = `# mine
[default]
aws_access_key_id = A
aws_secret_access_key = B=
[profile other]
aws_access_key_id = X
[work]
aws_access_key_id=C
aws_secret_access_key=D
aws_session_token = E
`
  writeFileSync(join(home, '.aws', 'credentials'), ini)
  const of = async (env: Environment) => awsCredentials(nodeHost, { HOME: home, ...env })?.()
  t.deepEqual(await of({}), { accessKeyId: 'A', secretAccessKey: 'B=' })
  const work = { accessKeyId: 'C', secretAccessKey: 'D', sessionToken: 'E' }
  t.deepEqual(await of({ AWS_PROFILE: 'work' }), work)
  const own = { AWS_ACCESS_KEY_ID: 'K', AWS_SECRET_ACCESS_KEY: 'S' }
  t.deepEqual(await of(own), { accessKeyId: 'K', secretAccessKey: 'S' })
  t.is(await of({ HOME: '/nowhere' }), undefined)
  await t.throwsAsync(of({ AWS_PROFILE: 'none' }), { code: 'CACHE_DENIED', message: /"none"/ })
})

test('a page of a listing is read with its entities, and another document is CACHE_INVALID', t => {
  const address = addressOf('s3://cache')
  const entry =
    '<Key>a&amp;b&#x41;&#66;&#x999999;&no;</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>'
  const page = (text: string) => `<?xml?><ListBucketResult xmlns="x">${text}</ListBucketResult>`
  t.deepEqual(parsePage(page(`<Contents>${entry}<Size>7</Size></Contents>`), address), {
    files: [{ key: 'a&bAB&#x999999;&no;', size: 7, modified: Date.UTC(2026, 0, 2, 3, 4, 5, 678) }],
    next: undefined,
  })
  const more = '<IsTruncated>true</IsTruncated>'
  const next = '<NextContinuationToken>t=</NextContinuationToken>'
  t.deepEqual(parsePage(page(more + next), address), { files: [], next: 't=' })
  for (const bad of ['', '<html>', page(more), page(`<Contents>${entry}</Contents>`)]) {
    t.throws(() => parsePage(bad, address), { code: 'CACHE_INVALID' })
  }
})

function credentials(): Environment {
  return {
    AWS_ACCESS_KEY_ID: server.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
  }
}

function storageOf(path: string, changes: Partial<S3Options> = {}): Promise<WritableStorage> {
  const url = new URL(`s3://${path}?endpoint=${server.base}`)
  return s3Storage(url, { host: nodeHost, env: credentials(), patience, ...changes })
}

async function opened(t: ExecutionContext, path: string, changes: Partial<S3Options> = {}) {
  const storage = await storageOf(path, changes)
  t.teardown(() => storage.close())
  return storage
}

function bucketOf(name: string): Bucket {
  const env = credentials()
  const address = parseS3Address(new URL(`s3://${name}?endpoint=${server.base}`), env)
  const options = { host: nodeHost, env, patience }
  return openBucket(address, awsCredentials(nodeHost, env), options)
}
