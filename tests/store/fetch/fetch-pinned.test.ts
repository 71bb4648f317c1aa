import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { MixosError } from '../../../graph/error.ts'
import {
  type FetchPinnedOptions,
  fetchersOf,
  fetchPinned,
} from '../../../store/fetch/fetch-pinned.ts'
import { httpFetcher, PATIENCE } from '../../../store/fetch/http.ts'
import type { Mirrors } from '../../../store/fetch/mirrors.ts'
import type { Network } from '../../../store/host.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { networkOf } from '../../../store/hosts/node-network.ts'
import { cacheServer } from '../../helpers/cache-server.ts'
import { begins, file, type Handler, noise, serve, sha256 } from '../../helpers/http-server.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

const content = noise(200_000)
const other = noise(200_000, 'other')
const host = { ...nodeHost, network: networkOf({}) }

const failing: [string, Handler, RegExp][] = [
  ['is absent', (_, response) => void response.writeHead(404).end(), /status 404/],
  ['stalls', begins(content, 70_000, 'stalls'), /no data for/],
  ['is cut off', begins(content, 70_000, 'hangs up'), /broke/],
  ['starts with wrong bytes', begins(other, 70_000, 'hangs up'), /broke/],
  ['is a login page', file(Buffer.from('<p>'), { 'content-type': 'text/html' }), /web page/],
  ['has other bytes', file(other), new RegExp(`got ${sha256(other)}`)],
  ['is too long', file(Buffer.concat([content, other])), /400000 bytes, not 200000/],
  ['is too short', file(content.subarray(1)), /199999 bytes, not 200000/],
]

for (const [what, handler, reason] of failing) {
  test(`a first mirror whose file ${what} is passed over for a good second one`, async t => {
    const { path, run } = setUp(t)
    const { base } = await serve(t, { '/bad/file': handler, '/good/file': file(content) })
    await run(['mirror://site/file'], { site: [`${base}/bad`, `${base}/good`] })
    t.true(readFileSync(path).equals(content))
  })

  // Waited for above already.
  if (what === 'stalls') continue
  test(`where the only file ${what}, the error names the URL and the reason`, async t => {
    const { run } = setUp(t)
    const { base } = await serve(t, { '/file': handler })
    const error = await t.throwsAsync<MixosError>(run([`${base}/file`]))
    t.regex(error?.code ?? '', /^(FETCH_FAILED|HASH_MISMATCH)$/)
    t.true(error?.message.includes(`${base}/file: `))
    t.regex(error?.message ?? '', reason)
    t.truthy(error?.hint)
  })
}

test('what a broken connection brought is resumed from the next mirror', async t => {
  const { path, run } = setUp(t)
  const { base, requests } = await serve(t, {
    '/a': begins(content, 70_000, 'hangs up'),
    '/b': file(content),
  })
  await run([`${base}/a`, `${base}/b`])
  t.deepEqual(requests, ['/a', '/b bytes=70000-'])
  t.true(readFileSync(path).equals(content))
})

test('the only server is asked again as long as it brings more', async t => {
  const { path, run } = setUp(t)
  const flaky: Handler = (request, response) => {
    const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0)
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': String(content.length - from),
      'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
    })
    const piece = content.subarray(from, from + 80_000)
    if (from + piece.length === content.length) response.end(piece)
    else response.write(piece, () => response.destroy())
  }
  const { base, requests } = await serve(t, { '/file': flaky })
  await run([`${base}/file`])
  t.deepEqual(requests, ['/file', '/file bytes=80000-', '/file bytes=160000-'])
  t.true(readFileSync(path).equals(content))
})

test('a file that an earlier run left is resumed', async t => {
  const { path, run } = setUp(t)
  const { base, requests } = await serve(t, { '/file': file(content) })
  writeFileSync(path, content.subarray(0, 123_456))
  await run([`${base}/file`])
  t.deepEqual(requests, ['/file bytes=123456-'])
  t.true(readFileSync(path).equals(content))
})

test('a whole file that an earlier run left needs no network', async t => {
  const { path, run } = setUp(t)
  writeFileSync(path, content)
  await t.notThrowsAsync(run(['http://nobody.example/file']))
})

for (const [what, left] of [
  ['the beginning of another file', other.subarray(0, 5000)],
  ['another file of that size', other],
  ['a longer file', Buffer.concat([content, other])],
] as const) {
  test(`${what}, left by an earlier run, is replaced without blaming the server`, async t => {
    const { path, run, warnings } = setUp(t)
    const { base } = await serve(t, { '/file': file(content) })
    writeFileSync(path, left)
    await run([`${base}/file`])
    t.true(readFileSync(path).equals(content))
    t.deepEqual(warnings, [])
  })
}

test('wrong content is warned of, with the URL and both hashes', async t => {
  const { run, warnings } = setUp(t)
  const { base } = await serve(t, { '/bad': file(other), '/good': file(content) })
  await run([`${base}/bad`, `${base}/good`])
  t.deepEqual(warnings, [
    `${base}/bad has other bytes than thing-1: expected ${sha256(content)}, got ${sha256(other)}`,
  ])
})

test('where only other files are found, that is HASH_MISMATCH; else FETCH_FAILED', async t => {
  const { run } = setUp(t)
  const { base } = await serve(t, { '/bad': file(other) })
  const mismatch = await t.throwsAsync(run([`${base}/absent`, `${base}/bad`]), {
    code: 'HASH_MISMATCH',
  })
  t.true(mismatch?.message.includes(`${base}/absent: HTTP status 404`))
  await t.throwsAsync(run([`${base}/absent`]), { code: 'FETCH_FAILED' })
})

test('where a network has an authority of its own, the hint says how to believe it', async t => {
  const { run } = setUp(t)
  const { url } = await cacheServer(t, { secure: true })
  const error = await t.throwsAsync<MixosError>(run([url.href]), { code: 'FETCH_FAILED' })
  t.regex(error.message, /certificate/)
  t.regex(error.hint ?? '', /NODE_EXTRA_CA_CERTS/)
})

test('a site without a mirror, and what is no URL, are named', async t => {
  const { run } = setUp(t)
  const error = await t.throwsAsync(run(['mirror://nowhere/file', 'gopher://host/file']), {
    code: 'FETCH_FAILED',
  })
  t.is(
    error?.message,
    'cannot fetch thing-1\n' +
      '  mirror://nowhere/file: no mirror of that site is known\n' +
      '  gopher://host/file: it is no URL that can be fetched',
  )
})

for (const [what, handler] of [
  ['answers 503', (_, response) => void response.writeHead(503).end()],
  ['answers 429', (_, response) => void response.writeHead(429).end()],
  ['hangs up at once', request => void request.socket.destroy()],
] as [string, Handler][]) {
  test(`the only server, which ${what} for a while, is asked again after pauses that grow`, async t => {
    const { path, run, warnings, pauses } = setUp(t)
    const { base, requests } = await serve(t, {
      '/file': (request, response) =>
        requests.length < 4 ? handler(request, response) : file(content)(request, response),
    })
    await run([`${base}/file`])
    t.true(readFileSync(path).equals(content))
    t.is(requests.length, 4)
    t.deepEqual(
      pauses,
      [...new Set(pauses)].sort((a, b) => a - b),
    )
    t.is(pauses.length, 3)
    t.is(warnings.length, 1)
    t.regex(
      warnings[0] ?? '',
      /^thing-1 cannot be fetched yet, and is tried again: http:.*\/file: ./,
    )
  })
}

test('a server that stays down is given up, with what it said last', async t => {
  const { run, pauses } = setUp(t)
  const { base, requests } = await serve(t, {
    '/file': (_, response) => void response.writeHead(500 + requests.length).end(),
  })
  await t.throwsAsync(run([`${base}/file`]), { code: 'FETCH_FAILED', message: /status 504$/ })
  t.is(pauses.length, 3)
})

test('who has answered for good is not asked again, and nobody is waited for then', async t => {
  const { run, pauses, warnings } = setUp(t)
  const { base, requests } = await serve(t, {
    '/other': file(other),
    '/busy': (_, response) => void response.writeHead(503).end(),
  })
  await t.throwsAsync(run([`${base}/absent`, `${base}/other`]), { code: 'HASH_MISMATCH' })
  t.deepEqual(pauses, [])
  requests.length = warnings.length = 0
  const all = [`${base}/absent`, `${base}/other`, `${base}/busy`]
  const error = await t.throwsAsync(run(all), { code: 'HASH_MISMATCH' })
  t.deepEqual(requests, ['/absent', '/other', '/busy', '/busy', '/busy', '/busy'])
  for (const url of all) t.true(error?.message.includes(`${url}: `))
  t.is(warnings.length, 2)
})

test('a fetch that is cancelled while it waits is CANCELLED', async t => {
  const controller = new AbortController()
  const { run } = setUp(t, {
    signal: controller.signal,
    wait: (_, signal) => {
      setImmediate(() => controller.abort())
      return sleep(60_000, undefined, { signal })
    },
  })
  const { base, requests } = await serve(t, {
    '/file': (_, response) => void response.writeHead(503).end(),
  })
  await t.throwsAsync(run([`${base}/file`]), { code: 'CANCELLED' })
  t.deepEqual(requests, ['/file'])
})

test('a host that could not be reached for a moment is asked again by all who wait', async t => {
  const asked: string[] = []
  let now = 0
  const network: Network = {
    request: async (url, options) => {
      asked.push(url.pathname)
      if (asked.length === 1) throw Object.assign(new Error('no name'), { code: 'EAI_AGAIN' })
      return host.network.request(url, options)
    },
  }
  const { base } = await serve(t, { '/a': file(content), '/b': file(content) })
  const on = { ...host, network, now: () => now }
  const wait = async (milliseconds: number) => {
    now += milliseconds
  }
  await setUp(t, { wait }, on).run([`${base}/a`])
  t.deepEqual(asked, ['/a', '/a'])
  await t.notThrowsAsync(setUp(t, { wait }, on).run([`${base}/b`]))
})

test('a password in a URL is not shown', async t => {
  const { run } = setUp(t)
  const { base } = await serve(t, {})
  const url = base.replace('http://', 'http://me:secret@')
  const error = await t.throwsAsync(run([`${url}/file`]))
  t.true(error?.message.includes(`${base}/file`))
  t.false(error?.message.includes('secret'))
})

test('a password in what nothing can fetch is not shown', async t => {
  const { run } = setUp(t)
  const error = await t.throwsAsync(run(['gopher://me:secret@host/1', 'http://me:secret@host:x/2']))
  t.regex(error?.message ?? '', /gopher:\/\/host\/1: [\s\S]*http:\/\/host:x\/2: /)
  t.false(error?.message.includes('secret'))
})

test('a cancelled fetch is CANCELLED, also while it waits, and keeps what it has', async t => {
  const controller = new AbortController()
  const { path, run } = setUp(t, {
    signal: controller.signal,
    onProgress: () => controller.abort(),
  })
  const { base, requests } = await serve(t, { '/file': begins(content, 1000, 'stalls') })
  await t.throwsAsync(run([`${base}/file`, `${base}/next`]), { code: 'CANCELLED' })
  t.deepEqual(requests, ['/file'])
  t.true(readFileSync(path).equals(content.subarray(0, 1000)))
})

test('a full disk is DISK_FULL, and no reason to ask the next mirror', async t => {
  const { base, requests } = await serve(t, { '/a': file(content), '/b': file(content) })
  const writeAt = (): never => {
    throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
  }
  const { run } = setUp(t, {}, { ...host, files: { ...host.files, writeAt } })
  await t.throwsAsync(run([`${base}/a`, `${base}/b`]), { code: 'DISK_FULL' })
  t.deepEqual(requests, ['/a'])
})

test('a file URL serves as well', async t => {
  const { path, run } = setUp(t)
  const source = join(tempDirectory(t), 'source')
  writeFileSync(source, content)
  await run([pathToFileURL(source).href])
  t.true(readFileSync(path).equals(content))
})

function setUp(
  t: ExecutionContext,
  options: Pick<Partial<FetchPinnedOptions>, 'signal' | 'onProgress' | 'wait'> = {},
  on = host,
) {
  const path = join(tempDirectory(t), 'download')
  const warnings: string[] = []
  const pauses: number[] = []
  // A stall is waited for; a good answer must not be late on a busy machine.
  const http = httpFetcher(on, { ...PATIENCE, window: 3000 })
  const run = (urls: readonly string[], mirrors: Mirrors = {}): Promise<string | undefined> =>
    fetchPinned(
      on,
      { urls, hash: sha256(content), size: content.length },
      {
        path,
        label: 'thing-1',
        mirrors,
        signal: new AbortController().signal,
        onProgress: () => undefined,
        warn: message => warnings.push(message),
        wait: async milliseconds => void pauses.push(milliseconds),
        fetchers: { ...fetchersOf(on), 'http:': http },
        ...options,
      },
    )
  return { path, run, warnings, pauses }
}
