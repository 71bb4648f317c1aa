import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { openDownload } from '../../../store/fetch/download.ts'
import { PassingFailure } from '../../../store/fetch/fetcher.ts'
import { httpFetcher, PATIENCE, type Patience } from '../../../store/fetch/http.ts'
import type { Host, Network } from '../../../store/host.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { networkOf } from '../../../store/hosts/node-network.ts'
import {
  begins,
  file,
  type Handler,
  noise,
  redirect,
  serve,
  sha256,
  trickles,
} from '../../helpers/http-server.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'
import { testFetcher } from '../../suites/fetcher.ts'

const content = noise(200_000)
testFetcher('http', async (t, content) => {
  const { base } = await serve(t, { '/file': file(content) })
  const [url, absent] = [new URL(`${base}/file`), new URL(`${base}/absent`)]
  return { fetcher: httpFetcher(hostOf()), url, absent }
})

test('a resumed file is asked for from where it ends', async t => {
  const { base, requests } = await serve(t, { '/file': file(content) })
  const target = await open(t, 150_000)
  await fetch(`${base}/file`, target)
  t.deepEqual(requests, ['/file bytes=150000-'])
  t.is(target.hash(), sha256(content))
})

test('a server that ignores the range sends all of it again', async t => {
  const { base } = await serve(t, { '/file': whole(content) })
  const target = await open(t, 150_000)
  await fetch(`${base}/file`, target)
  t.is(target.hash(), sha256(content))
})

test('a server that has nothing at that place is asked for all of it', async t => {
  const { base, requests } = await serve(t, { '/file': file(content) })
  const target = await open(t, content.length)
  await fetch(`${base}/file`, target)
  t.deepEqual(requests, [`/file bytes=${content.length}-`, '/file'])
  t.is(target.hash(), sha256(content))
})

test('a server that answers with another range is refused', async t => {
  const handler: Handler = (_, response) =>
    response.writeHead(206, { 'content-range': 'bytes 7-199999/200000' }).end(content.subarray(7))
  const { base } = await serve(t, { '/file': handler })
  await refused(t, `${base}/file`, /byte 150000 on, got bytes 7-/, {
    target: await open(t, 150_000),
  })
})

test('a file without a length is taken', async t => {
  const handler: Handler = (_, response) => void response.writeHead(200).end(content)
  const { base } = await serve(t, { '/file': handler })
  const target = await open(t)
  await fetch(`${base}/file`, target)
  t.is(target.hash(), sha256(content))
})

test('an endless answer is not written beyond the size', async t => {
  const { base } = await serve(t, {
    '/file': (_, response) => {
      response.writeHead(200)
      const more = (): boolean => response.write(Buffer.alloc(65_536), () => setImmediate(more))
      more()
    },
  })
  const target = await open(t)
  await t.throwsAsync(fetch(`${base}/file`, target), {
    code: 'HASH_MISMATCH',
    message: /more than 200000 bytes/,
  })
  t.true(target.position <= content.length)
})

test('a body that is said to be compressed is taken as it comes', async t => {
  const { base } = await serve(t, { '/file': file(content, { 'content-encoding': 'gzip' }) })
  const target = await open(t)
  await fetch(`${base}/file`, target)
  t.is(target.hash(), sha256(content))
})

for (const [what, handler, message] of [
  ['a server error', status(503), /^HTTP status 503$/],
  ['a web page', file(Buffer.from('<html>'), { 'content-type': 'text/html' }), /is a web page/],
  ['a truncated answer', begins(content, 1000, 'hangs up'), /^the connection broke: aborted$/],
  ['a redirect without a place', status(302), /^HTTP status 302$/],
  ['a redirect to no URL', redirect('http://['), /which is no URL/],
  ['a redirect to a file', redirect('file:///etc/passwd'), /^redirected from http:.* to file:/],
  ['a redirect in a circle', redirect('/file'), /^more than 5 redirects$/],
] as [string, Handler, RegExp][]) {
  test(`${what} is refused`, async t => {
    const { base } = await serve(t, { '/file': handler })
    await refused(t, `${base}/file`, message)
  })
}

test('a stalled answer is given up, and what came is kept', async t => {
  const target = await open(t)
  const network: Network = {
    request: async (_, { signal }) => ({
      status: 200,
      headers: {},
      body: stalling(content.subarray(0, 5000), signal),
      close: () => undefined,
    }),
  }
  await refused(t, 'http://a.example/file', /^no data for 0.05 s$/, {
    target,
    host: hostOf(network),
    patience: { ...PATIENCE, window: 50 },
  })
  t.is(target.position, 5000)
})

test('an answer that trickles is given up, and what came is kept', async t => {
  const { base } = await serve(t, { '/file': trickles(content) })
  const target = await open(t)
  await refused(t, `${base}/file`, /^too slow: \d+ bytes in 0.5 s, expected 4096$/, {
    target,
    patience: { ...PATIENCE, window: 500 },
  })
  t.true(target.position > 0)
})

test('an answer that never starts is given up', async t => {
  const { base } = await serve(t, { '/file': () => undefined })
  await refused(t, `${base}/file`, /^no data for 0.05 s$/, {
    patience: { ...PATIENCE, window: 50 },
  })
})

test('up to five redirects are followed, also to another server', async t => {
  const other = await serve(t, { '/5': file(content) })
  const { base } = await serve(t, {
    '/0': redirect('1'),
    '/1': redirect('/2'),
    '/2': redirect('/3'),
    '/3': redirect('/4'),
    '/4': redirect(`${other.base}/5`),
  })
  const target = await open(t)
  await fetch(`${base}/0`, target)
  t.is(target.hash(), sha256(content))
})

test('a redirect from HTTPS to HTTP is refused', async t => {
  const { network, asked } = scripted({ 'https://a.example/file': 'http://b.example/file' })
  await refused(t, 'https://a.example/file', /^redirected from https:\/\/a.example to http:/, {
    host: hostOf(network),
  })
  t.deepEqual(Object.keys(asked), ['https://a.example/file'])
})

test('a password goes to its own origin only', async t => {
  const { network, asked } = scripted({
    'https://me:secret@a.example/1': '/2',
    'https://me:secret@a.example/2': 'https://b.example/3',
    'https://b.example/3': 'https://me:secret@a.example/4',
  })
  await refused(t, 'https://me:secret@a.example/1', /^HTTP status 404$/, { host: hostOf(network) })
  const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`
  t.deepEqual(asked, {
    'https://me:secret@a.example/1': basic,
    'https://me:secret@a.example/2': basic,
    'https://b.example/3': undefined,
    // What another origin says is no reason to log in.
    'https://a.example/4': undefined,
  })
})

test('a password is sent as it is meant, also where its percent sign encodes nothing', async t => {
  for (const [written, meant] of [
    ['100%25', '100%'],
    ['100%', '100%'],
    ['a%zz', 'a%zz'],
  ]) {
    const { network, asked } = scripted({})
    const url = `https://me:${written}@a.example/1`
    await refused(t, url, /^HTTP status 404$/, { host: hostOf(network) })
    t.deepEqual(Object.values(asked), [`Basic ${Buffer.from(`me:${meant}`).toString('base64')}`])
  }
})

test('a host that cannot be reached is not asked again until some time has passed', async t => {
  let [now, requests] = [0, 0]
  const network: Network = {
    request: async () => {
      requests++
      throw Object.assign(new Error('nobody there'), { code: 'ECONNREFUSED' })
    },
  }
  const host = { ...hostOf(network), now: () => now }
  await refused(t, 'http://a.example/1', /^nobody there$/, { host })
  await refused(t, 'http://a.example/2', /^nobody there$/, { host })
  t.is(requests, 1)
  await refused(t, 'http://b.example/2', /^nobody there$/, { host })
  t.is(requests, 2)
  now += PATIENCE.unreachable.first
  await refused(t, 'http://a.example/3', /^nobody there$/, { host })
  t.is(requests, 3)
})

test('the longer a host cannot be reached, the less often it is asked, until it can be', async t => {
  let [now, isDown] = [0, true]
  const asked: number[] = []
  const network: Network = {
    request: async () => {
      asked.push(now)
      if (isDown) throw Object.assign(new Error('nobody there'), { code: 'ETIMEDOUT' })
      return {
        status: 404,
        headers: {},
        body: stalling(Buffer.alloc(0), signal),
        close: () => undefined,
      }
    },
  }
  const { signal } = new AbortController()
  const host = { ...hostOf(network), now: () => now }
  const ask = async (url: string) =>
    t.throwsAsync(fetch(url, await open(t), { host }), { code: 'FETCH_FAILED' })
  const isPassing: boolean[] = []
  for (; now < 100_000; now += 1000)
    isPassing.push((await ask('http://a.example/')) instanceof PassingFailure)
  t.deepEqual(asked, [0, 1000, 5000, 21_000, 85_000])
  // After a while, nobody waits for it who has not asked.
  t.deepEqual(
    isPassing.flatMap((is, second) => (is && second > 20 ? [second] : [])),
    [21, 85],
  )
  isDown = false
  now = 85_000 + 4 * 64_000
  await ask('http://a.example/')
  isDown = true
  now++
  t.true((await ask('http://a.example/')) instanceof PassingFailure)
  t.is(asked.length, 7)
})

test('of many requests to a host that fail at once, one counts', async t => {
  let requests = 0
  const network: Network = {
    request: async () => {
      requests++
      throw Object.assign(new Error('no name'), { code: 'EAI_AGAIN' })
    },
  }
  let now = 0
  const host = { ...hostOf(network), now: () => now }
  const target = await open(t)
  const ask = () => fetch('http://a.example/', target, { host })
  await Promise.allSettled(Array.from({ length: 8 }, ask))
  t.is(requests, 8)
  now += PATIENCE.unreachable.first
  await t.throwsAsync(ask(), { instanceOf: PassingFailure })
  t.is(requests, 9)
})

test('a port where nobody listens is told as such', async t => {
  // Not one that was free a moment ago, which another test may have been given since.
  await refused(t, 'http://127.0.0.1:1/', /ECONNREFUSED/)
})

test('a proxy that the environment names is used, but not for hosts it excepts', async t => {
  const direct = await serve(t, { '/file': file(content) })
  const proxy = await serve(t, { 'http://upstream.example/file': file(content) })
  const env = { http_proxy: proxy.base, no_proxy: '127.0.0.1' }
  const host = hostOf(networkOf(env))
  const urls = ['http://upstream.example/file', `${direct.base}/file`]
  for (const url of urls) {
    const target = await open(t)
    await fetch(url, target, { host })
    t.is(target.hash(), sha256(content))
  }
  t.deepEqual(proxy.requests, ['http://upstream.example/file'])
  t.deepEqual(direct.requests, ['/file'])
})

test('the proxies that the environment of the process names are used', async t => {
  const proxy = await serve(t, { 'http://upstream.example/file': file(content) })
  const program = `
    import { nodeNetwork } from ${JSON.stringify(import.meta.resolve('../../../store/hosts/node-network.ts'))}
    const { signal } = new AbortController()
    const options = { headers: {}, signal, connectWithin: 10_000 }
    const answer = await nodeNetwork.request(new URL('http://upstream.example/file'), options)
    for await (const chunk of answer.body) process.stdout.write(chunk)`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { env: { http_proxy: proxy.base }, encoding: 'buffer' },
  )
  t.true(stdout.equals(content))
})

type Target = Awaited<ReturnType<typeof openDownload>>

function hostOf(network: Network = networkOf({})): Host {
  return { ...nodeHost, network }
}

async function open(t: ExecutionContext, held = 0): Promise<Target> {
  const path = join(tempDirectory(t), 'file')
  const target = await openDownload(nodeHost, { path, size: content.length })
  t.teardown(() => target[Symbol.dispose]())
  target.write(content.subarray(0, held))
  return target
}

function fetch(
  url: string,
  target: Target,
  { host = hostOf(), patience = PATIENCE }: Setting = {},
): Promise<void> {
  const signal = new AbortController().signal
  return httpFetcher(host, patience).fetch(new URL(url), target, {
    signal,
    onProgress: () => undefined,
  })
}

interface Setting {
  readonly host?: Host
  readonly patience?: Patience
}

async function refused(
  t: ExecutionContext,
  url: string,
  message: RegExp,
  setting: Setting & { target?: Target } = {},
): Promise<void> {
  const target = setting.target ?? (await open(t))
  await t.throwsAsync(fetch(url, target, setting), { code: 'FETCH_FAILED', message })
}

/** Some bytes, and then nothing until the reader gives up. */
async function* stalling(bytes: Buffer, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield bytes
  await new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new Error('aborted'))),
  )
}

function status(code: number): Handler {
  return (_, response) => void response.writeHead(code).end()
}

/** All of it with status 200, whatever was asked for. */
function whole(content: Buffer): Handler {
  return (_, response) => void response.writeHead(200).end(content)
}

/** A network of redirects, and the credentials that each URL was sent. */
function scripted(redirects: Record<string, string>) {
  const asked: Record<string, string | undefined> = {}
  const network: Network = {
    request: async (url, { headers }) => {
      asked[url.href] = headers.authorization
      const location = redirects[url.href]
      const body = (async function* () {
        yield* [] as Uint8Array[]
      })()
      return { status: location ? 302 : 404, headers: { location }, body, close: () => undefined }
    },
  }
  return { network, asked }
}
