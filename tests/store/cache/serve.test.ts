import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { Agent, type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request as requestSecurely } from 'node:https'
import { connect, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { blake3Hex } from '../../../graph/blake3.ts'
import { hashManifest, type Manifest } from '../../../graph/manifest.ts'
import {
  type DerivationHash,
  digestOf,
  type ObjectHash,
  type ResolvedHash,
  storePathOf,
} from '../../../graph/store-path.ts'
import { INFO } from '../../../store/cache/info.ts'
import { generateKey } from '../../../store/cache/keys.ts'
import { tracePath } from '../../../store/cache/layout.ts'
import { formatIndex } from '../../../store/cache/object-index.ts'
import type { Disk } from '../../../store/cache/serve/disk.ts'
import { parseRange } from '../../../store/cache/serve/range.ts'
import { type Answered, type ServeOptions, serveCache } from '../../../store/cache/serve.ts'
import { formatSignedTrace, signTrace } from '../../../store/cache/signed-trace.ts'
import type { WritableStorage } from '../../../store/cache/storage.ts'
import { httpStorage } from '../../../store/cache/storages/http.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { noise } from '../../helpers/http-server.ts'
import { memoryDirectory } from '../../helpers/temp-store.ts'

const TOKEN = 'a-token-for-the-tests'
const WITH_TOKEN = { authorization: `Bearer ${TOKEN}` }
const content = noise(300_000)
const PACK = `pack/${blake3Hex(content)}.pack`
const key = generateKey(nodeHost, 'uploader')
const signed = traceOf('ab')
const TRACE = tracePath(signed.derivation, key.public.id)
const SIGNED = formatSignedTrace(signed)
const index = indexOf('hello-1')
const EMPTY = Buffer.alloc(0)
const pem = readFileSync(join(import.meta.dirname, '../../fixtures/localhost.pem'), 'utf8')

test('a file is served whole, with its type', async t => {
  const { get } = await serving(t, { [PACK]: content, [TRACE]: '{}\n', [index.path]: index.text })
  const pack = await get(PACK)
  t.is(pack.status, 200)
  t.true(pack.body.equals(content))
  t.is(pack.headers['content-type'], 'application/octet-stream')
  t.is(pack.headers['content-length'], '300000')
  t.is(pack.headers['accept-ranges'], 'bytes')
  t.regex(String(pack.headers['cache-control']), /immutable/)
  const trace = await get(TRACE)
  t.is(trace.body.toString(), '{}\n')
  t.is(trace.headers['content-type'], 'application/json')
  t.is(trace.headers['cache-control'], 'no-cache')
  // A later push may say that the object is in other packs.
  t.is((await get(index.path)).headers['cache-control'], 'no-cache')
})

test('an empty file is served, and has no ranges', async t => {
  const { get } = await serving(t, { [TRACE]: '' })
  t.is((await get(TRACE)).headers['content-length'], '0')
  t.is((await get(TRACE, { headers: { range: 'bytes=0-0' } })).status, 416)
})

test('HEAD gives the head of the answer to GET, and nothing else', async t => {
  const { get } = await serving(t, { [PACK]: content })
  const { date: _, ...whole } = (await get(PACK)).headers
  const head = await get(PACK, { method: 'HEAD' })
  const { date: __, ...headers } = head.headers
  t.deepEqual(headers, whole)
  t.is(head.body.length, 0)
  t.is((await get(`pack/${'0'.repeat(64)}.pack`, { method: 'HEAD' })).status, 404)
})

for (const [range, from, to] of [
  ['bytes=0-0', 0, 0],
  ['bytes=1000-1049', 1000, 1049],
  ['bytes=5-299999', 5, 299_999],
  ['bytes=299999-', 299_999, 299_999],
  ['bytes=100-9999999', 100, 299_999],
  ['bytes=-7', 299_993, 299_999],
  ['bytes=-9999999', 0, 299_999],
] as const) {
  test(`the range ${range} is these bytes alone`, async t => {
    const { get } = await serving(t, { [PACK]: content })
    const { status, headers, body } = await get(PACK, { headers: { range } })
    t.is(status, 206)
    t.is(headers['content-range'], `bytes ${from}-${to}/300000`)
    t.true(body.equals(content.subarray(from, to + 1)))
  })
}

for (const range of ['bytes=300000-', 'bytes=999999-9999999', 'bytes=-0']) {
  test(`the range ${range} is refused, with the size`, async t => {
    const { get } = await serving(t, { [PACK]: content })
    const { status, headers } = await get(PACK, { headers: { range } })
    t.is(status, 416)
    t.is(headers['content-range'], 'bytes */300000')
  })
}

test('what is no single range stands for the whole file', t => {
  const others = [
    undefined,
    'bytes=',
    'bytes=-',
    'bytes=5-4',
    'bytes=0-1,4-5',
    'lines=1-2',
    'bytes=a-',
  ]
  for (const header of others) t.is(parseRange(header, 10), undefined)
  t.is(parseRange(`bytes=${'9'.repeat(40)}-`, 10), undefined)
})

test('a file that is known is not sent again', async t => {
  const { get, write } = await serving(t, { [PACK]: content, [TRACE]: '{"a":1}' })
  for (const path of [PACK, TRACE]) {
    const { etag = '' } = (await get(path)).headers
    for (const known of [etag, `"other", W/${etag}`, '*']) {
      const again = await get(path, { headers: { 'if-none-match': known } })
      t.is(again.status, 304)
      t.is(again.headers.etag, etag)
      t.is(again.body.length, 0)
    }
  }
  const { etag = '' } = (await get(TRACE)).headers
  write(TRACE, '{"a":2}')
  const headers = { 'if-none-match': etag }
  t.is((await get(TRACE, { headers })).body.toString(), '{"a":2}')
})

test('a range of another version is the whole file', async t => {
  const { get } = await serving(t, { [PACK]: content })
  const { etag = '' } = (await get(PACK)).headers
  const range = 'bytes=0-9'
  t.is((await get(PACK, { headers: { range, 'if-range': etag } })).status, 206)
  t.is((await get(PACK, { headers: { range, 'if-range': '"other"' } })).status, 200)
})

for (const path of [
  '',
  '..',
  '../secret',
  'pack/../secret',
  'pack/..%2f..%2fsecret',
  '%2e%2e/secret',
  'pack/%2e%2e/secret',
  '/secret',
  'secret',
  'pack',
  'pack/',
  'object/',
  'tmp/0123456789abcdef0123',
  `${PACK}/`,
  `${PACK}?x=1`,
  `./${PACK}`,
  `/${PACK}`,
  PACK.toUpperCase(),
  `pack/${'g'.repeat(64)}.pack`,
  `object/${'e'.repeat(32)}.json`,
  `trace/${'ab'.repeat(32)}/${'cd'.repeat(15)}.json`,
  'mixos-cache.json%00',
  '?list',
]) {
  test(`/${path} is not there`, async t => {
    const { get, directory, write } = await serving(t, { [PACK]: content })
    write('secret', 'secret')
    writeFileSync(join(dirname(directory), 'secret'), 'secret')
    mkdirSync(join(directory, 'tmp'))
    writeFileSync(join(directory, 'tmp/0123456789abcdef0123'), 'half')
    t.is((await get(path)).status, 404)
    t.is((await get(path, { method: 'HEAD' })).status, 404)
  })
}

test('a target that is a whole URL is not there', async t => {
  const { url, say } = await serving(t, { [PACK]: content })
  t.regex(await say(`GET ${url}/${PACK} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`), / 404 /)
})

test('symlinks are not followed, and only files are served', async t => {
  const { get, directory } = await serving(t, {})
  const outside = memoryDirectory(t)
  const [a, b, c] = ['a', 'b', 'c'].map(letter => letter.repeat(64))
  const id = 'cd'.repeat(16)
  writeFileSync(join(outside, 'secret'), 'secret')
  writeFileSync(join(outside, `${id}.json`), 'secret')
  for (const name of ['pack', 'trace']) mkdirSync(join(directory, name))
  symlinkSync(join(outside, 'secret'), join(directory, `pack/${a}.pack`))
  symlinkSync(outside, join(directory, `trace/${a}`))
  symlinkSync(outside, join(directory, 'object'))
  writeFileSync(join(outside, `${id}.json`), 'secret')
  mkdirSync(join(directory, `pack/${b}.pack`))
  execFileSync('mkfifo', [join(directory, `pack/${c}.pack`)])
  for (const path of [
    `pack/${a}.pack`,
    `pack/${b}.pack`,
    `pack/${c}.pack`,
    `trace/${a}/${id}.json`,
  ])
    t.is((await get(path)).status, 404)
  writeFileSync(join(outside, `${'a'.repeat(32)}.json`), 'secret')
  t.is((await get(`object/${'a'.repeat(32)}.json`)).status, 404)
})

test('one connection serves many requests, also refused ones', async t => {
  const { get } = await serving(t, { [PACK]: content })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ports = new Set<number | undefined>()
  for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'GET']) {
    ports.add((await get(PACK, { agent, method, body: 'body' })).port)
    ports.add((await get('absent', { agent, method })).port)
  }
  t.is(ports.size, 1)
})

test('requests that are sent ahead are answered in their order', async t => {
  const { say } = await serving(t, { [PACK]: content, [TRACE]: '{"trace":1}' })
  const head = (path: string, last = '') => `GET /${path} HTTP/1.1\r\nhost: a\r\n${last}\r\n`
  const many = Array.from({ length: 20 }, () => head(PACK) + head(TRACE)).join('')
  const text = await say(many + head('absent', 'connection: close\r\n'))
  const sizes = [...text.matchAll(/^content-length: (\d+)/gim)].map(([, size]) => size)
  t.deepEqual(sizes, [...Array.from({ length: 20 }, () => ['300000', '11']).flat(), '9'])
})

test('who sends far too many requests ahead is let go', async t => {
  const { say, get } = await serving(t, { [PACK]: content })
  const text = await say(`GET /${PACK} HTTP/1.1\r\nhost: a\r\n\r\n`.repeat(10_000))
  t.true(text.length < 10_000 * content.length)
  t.is((await get(PACK)).status, 200)
})

test('without a token, nothing can be changed or listed', async t => {
  const { get, directory } = await serving(t, { [PACK]: content }, { uploadToken: undefined })
  for (const method of ['PUT', 'DELETE', 'POST', 'OPTIONS', 'PATCH', 'PROPFIND']) {
    const { status, headers } = await get(PACK, { method, headers: WITH_TOKEN, body: 'x' })
    t.is(status, 405)
    t.is(headers.allow, 'GET, HEAD')
  }
  t.is((await get('?list=', { headers: WITH_TOKEN })).status, 404)
  t.true(readFileSync(join(directory, PACK)).equals(content))
})

for (const [what, authorization] of [
  ['no token', undefined],
  ['another token', `Bearer ${TOKEN}x`],
  ['the beginning of the token', `Bearer ${TOKEN.slice(0, -1)}`],
  ['an empty token', 'Bearer '],
  ['another way to log in', `Basic ${Buffer.from(`user:${TOKEN}`).toString('base64')}`],
] as const) {
  test(`with ${what}, nothing can be changed or listed`, async t => {
    const { get, files } = await serving(t, { [TRACE]: '{}' })
    const headers: IncomingHttpHeaders = authorization === undefined ? {} : { authorization }
    for (const [path, method] of [
      [PACK, 'PUT'],
      [TRACE, 'DELETE'],
      ['elsewhere', 'PUT'],
      ['?list=', 'GET'],
    ] as const) {
      const answer = await get(path, {
        method,
        headers,
        ...(method === 'PUT' && { body: content }),
      })
      t.is(answer.status, 401)
      t.is(answer.headers['www-authenticate'], 'Bearer')
    }
    t.deepEqual(files(), [TRACE])
  })
}

for (const [kind, path, body] of [
  ['a pack', PACK, content],
  ['the index of an object', index.path, index.text],
  ['a trace', TRACE, SIGNED],
  ['what makes it a cache', 'mixos-cache.json', INFO],
] as const) {
  test(`${kind} is taken, and served at once`, async t => {
    const { put, get, files } = await serving(t)
    t.is((await put(path, body)).status, 204)
    t.true((await get(path)).body.equals(Buffer.from(body)))
    t.is((await put(path, body, { chunked: true })).status, 204)
    t.deepEqual(files(), [path])
  })
}

for (const [what, path, body, reason] of [
  ['a pack of other bytes', PACK, 'other', /expected the pack [0-9a-f]{64}, got [0-9a-f]{64}/],
  ['an empty pack of another name', PACK, '', /expected the pack/],
  ['the index of another object', index.path, indexOf('other-1').text, /expected the object/],
  [
    'an index with another label',
    index.path,
    index.text.replace('hello-1', 'hello-2'),
    /expected the object/,
  ],
  ['an index that was cut off', index.path, index.text.slice(0, -10), /not JSON/],
  ['no index', index.path, '{}', /not the index of an object/],
  ['a trace that is not JSON', TRACE, '{', /not JSON/],
  ['a trace that is not UTF-8', TRACE, Buffer.from([0x22, 0xff, 0x22]), /not a JSON object/],
  ['a trace that is a list', TRACE, '[]', /not a JSON object/],
  ['any JSON object as a trace', TRACE, '{"a":1}', /expected the format mixos-cache-trace-1/],
  [
    'a trace in other words',
    TRACE,
    SIGNED.replace('{"format"', '{ "format"'),
    /not written as mixos writes it/,
  ],
  [
    'the trace of another step',
    TRACE,
    formatSignedTrace(traceOf('ef')),
    /it is the trace of (ef)+, asked for was (ab)+/,
  ],
  [
    'the trace of another signer',
    tracePath(signed.derivation, 'cd'.repeat(16)),
    SIGNED,
    /expected a signature by the key (cd)+, got "[0-9a-f]{32}:/,
  ],
  ['another format', 'mixos-cache.json', '{"format":"mixos-cache-9"}', /mixos-cache-9/],
  ['no format', 'mixos-cache.json', 'x', /not a JSON object/],
] as const) {
  test(`${what} is refused with the reason, and nothing is left`, async t => {
    const { put, files } = await serving(t)
    for (const chunked of [true, false]) {
      const answer = await put(path, body, { chunked })
      t.is(answer.status, 422)
      t.regex(answer.body.toString(), reason)
    }
    t.deepEqual(files(), [])
  })
}

for (const [what, change, status, reason] of [
  ['in a pack that is not there', { pack: '0'.repeat(64) }, 409, /needs the pack 0{64}, which is/],
  ['beyond the end of its pack', { offset: 299_990 }, 422, /needs 300010 bytes of .*has 300000/],
] as const) {
  test(`the index of a file ${what} is refused with the reason, and nothing is left`, async t => {
    const { put, files } = await serving(t, { [PACK]: content })
    for (const many of [1, 6000]) {
      const { path, text } = indexOfFile({ ...change, many })
      const answer = await put(path, text)
      t.is(answer.status, status)
      t.regex(answer.body.toString(), reason)
    }
    t.deepEqual(files(), [PACK])
    const { path, text } = indexOfFile({ offset: 299_980 })
    t.is((await put(path, text)).status, 204)
  })
}

test('a large index is checked too', async t => {
  const { put, get } = await serving(t)
  const large = indexOf('large-1', 20_000)
  t.true(large.text.length > 1 << 20)
  t.is((await put(large.path, large.text.slice(0, -9))).status, 422)
  t.is((await put(index.path, large.text)).status, 422)
  t.is((await put(large.path, large.text)).status, 204)
  t.is((await get(large.path)).body.toString(), large.text)
})

for (const [path, limit] of [
  [PACK, 1000],
  [index.path, 2000],
  [TRACE, 64 << 10],
  ['mixos-cache.json', 4096],
] as const) {
  test(`a file too large for ${path.slice(0, 12)} is refused, and nothing is left`, async t => {
    const { put, files } = await serving(t, {}, { limits: { packBytes: 1000, indexBytes: 2000 } })
    for (const chunked of [true, false]) {
      const answer = await put(path, Buffer.alloc(limit + 1, ' '), { chunked })
      t.is(answer.status, 413)
      t.regex(answer.body.toString(), new RegExp(`more than the ${limit} bytes`))
      t.is((await put(path, Buffer.alloc(limit, ' '), { chunked })).status, 422)
    }
    t.deepEqual(files(), [])
  })
}

test('a file that is far too large is refused before its end', async t => {
  const { put, get, files } = await serving(t, {}, { limits: { packBytes: 1000 } })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (const chunked of [true, false])
    t.is((await put(PACK, Buffer.alloc(8 << 20), { chunked, agent })).status, 413)
  t.is((await get(PACK, { agent })).status, 404)
  t.deepEqual(files(), [])
})

test('a file elsewhere is not taken', async t => {
  const { put, files } = await serving(t)
  for (const path of ['', 'other', 'pack/../x', '../x', 'tmp/x', `${PACK}?x`, `/${PACK}`])
    t.is((await put(path, content)).status, 404)
  t.deepEqual(files(), [])
})

test('who asks first is told before sending', async t => {
  const { talk, files } = await serving(t)
  for (const [token, answer] of [
    [TOKEN, /^HTTP\/1.1 100 Continue/],
    ['another', /^HTTP\/1.1 401 /],
  ] as const) {
    const socket = await talk()
    socket.write(putHead(PACK, content.length, token, 'expect: 100-continue\r\n'))
    t.regex(await heard(socket), answer)
    if (token !== TOKEN) continue
    socket.write(content)
    t.regex(await heard(socket), /^HTTP\/1.1 204 /)
  }
  t.deepEqual(files(), [PACK])
})

test('an upload that breaks off anywhere leaves nothing', async t => {
  const ended: Answered[] = []
  const waiting: (() => void)[] = []
  const onRequest = (answered: Answered): void => {
    ended.push(answered)
    waiting.shift()?.()
  }
  const { talk, files, get } = await serving(t, {}, { onRequest })
  for (const length of [0, 1, 65_536, 131_072, content.length - 1]) {
    const over = new Promise<void>(resolve => waiting.push(resolve))
    const socket = await talk()
    socket.write(putHead(PACK, content.length, TOKEN))
    await new Promise<void>(resolve => socket.write(content.subarray(0, length), () => resolve()))
    socket.destroy()
    await over
  }
  t.deepEqual(files(), [])
  t.is((await get(PACK)).status, 404)
})

test('more uploads than may run at a time wait for their turn', async t => {
  const { put, files } = await serving(t, {}, { limits: { uploads: 1 } })
  const packs = Array.from({ length: 6 }, (_, seed) => Buffer.alloc(300_000, `${seed} `))
  const answers = await Promise.all(packs.map(pack => put(`pack/${blake3Hex(pack)}.pack`, pack)))
  t.true(answers.every(({ status }) => status === 204))
  t.is(files().length, 6)
})

test('an upload for which there is no place in time is told to come again', async t => {
  const { put, talk } = await serving(t, {}, { limits: { uploads: 1, uploadWait: 100 } })
  const first = await talk()
  first.write(putHead(PACK, 300_000, TOKEN, 'expect: 100-continue\r\n'))
  await heard(first)
  const { status, headers } = await put(PACK, content)
  t.is(status, 503)
  t.regex(String(headers['retry-after']), /^\d+$/)
  t.is((await put(index.path, index.text)).status, 204)
  first.write(content)
  t.regex(await heard(first), /^HTTP\/1.1 204 /)
  t.is((await put(PACK, content)).status, 204)
})

test('one who waits for a turn and goes does not stop the others', async t => {
  const { put, talk } = await serving(t, {}, { limits: { uploads: 1 } })
  const [first, second] = [await talk(), await talk()]
  first.write(putHead(PACK, 300_000, TOKEN, 'expect: 100-continue\r\n'))
  await heard(first)
  second.write(putHead(PACK, 300_000, TOKEN, 'expect: 100-continue\r\n'))
  const third = put(PACK, content)
  second.destroy()
  first.destroy()
  t.is((await third).status, 204)
})

test('files are listed by prefix, but for those that are not of the cache', async t => {
  const { get, write } = await serving(t, { [PACK]: content, [TRACE]: '{}', 'pack/other': 'x' })
  write('x', 'y')
  const list = async (prefix: string) => {
    const { body, status } = await get(`?list=${prefix}`, { headers: WITH_TOKEN })
    t.is(status, 200)
    const lines = body.toString().trimEnd().split('\n')
    const files = lines.map(line => JSON.parse(line))
    t.deepEqual(files.pop(), { files: files.length })
    return files
  }
  const all = await list('')
  t.deepEqual(all.map(({ path, size }) => [path, size]).sort(), [
    [PACK, 300_000],
    [TRACE, 2],
  ])
  t.true(all.every(({ modified }) => Number.isInteger(modified) && modified > 1e12))
  t.deepEqual(
    (await list('trace%2F')).map(({ path }) => path),
    [TRACE],
  )
  t.deepEqual(await list('object/'), [])
  for (const prefix of ['..', '%2e%2e/', '/', '%00'])
    t.is((await get(`?list=${prefix}`, { headers: WITH_TOKEN })).status, 400)
  t.is((await get('?list=%ff', { headers: WITH_TOKEN })).status, 404)
})

for (const secure of [false, true]) {
  test(`a list that the server breaks off is an error, not a shorter list${secure ? ', over HTTP/2' : ''}`, async t => {
    const hashes = Array.from({ length: 402 }, (_, n) => n.toString(16).padStart(64, '0'))
    const traces = hashes.map(hash => [`trace/${hash}/${'cd'.repeat(16)}.json`, '{}'] as const)
    let left = 300
    const list = (path: string): string[] => {
      if (path.includes('/trace/') && left-- === 0)
        throw Object.assign(new Error(), { code: 'EIO' })
      return nodeHost.files.list(path)
    }
    const { url } = await serving(t, Object.fromEntries(traces), {
      host: { ...nodeHost, files: { ...nodeHost.files, list } },
      ...(secure && { tls: { key: pem, cert: pem } }),
    })
    const storage = ownClient(t, url)
    const { signal } = new AbortController()
    const broken = Array.fromAsync(storage.list('trace/', { signal }))
    await t.throwsAsync(broken, { code: 'CACHE_UNAVAILABLE', message: /the connection broke/ })
    t.is((await Array.fromAsync(storage.list('trace/', { signal }))).length, 402)
  })
}

test('a file is deleted, and deleting it again does nothing', async t => {
  const { get, files } = await serving(t, { [PACK]: content, [TRACE]: '{}' })
  for (let i = 0; i < 2; i++)
    t.is((await get(PACK, { method: 'DELETE', headers: WITH_TOKEN })).status, 204)
  t.is((await get('other', { method: 'DELETE', headers: WITH_TOKEN })).status, 404)
  t.deepEqual(files(), [TRACE])
})

for (const secure of [false, true]) {
  test(`our own client reads, writes, lists and deletes${secure ? ' over HTTP/2' : ''}`, async t => {
    const { url, files } = await serving(t, {}, secure ? { tls: { key: pem, cert: pem } } : {})
    const storage = ownClient(t, url)
    const { signal } = new AbortController()
    const all = { signal, limit: 1 << 20 }
    t.is(await storage.read(PACK, all), undefined)
    await storage.write(PACK, content, { signal })
    await storage.write(index.path, Buffer.from(index.text), { signal })
    t.true(await storage.has(PACK, { signal }))
    t.true(content.equals((await storage.read(PACK, all)) ?? EMPTY))
    const range = { offset: 1000, length: 70_000 }
    const part = await storage.read(PACK, { ...all, range })
    t.true(content.subarray(1000, 71_000).equals(part ?? EMPTY))
    const packs = Array.from({ length: 40 }, (_, seed) => Buffer.alloc(300_000, `${seed} `))
    const pathOf = (pack: Buffer): string => `pack/${blake3Hex(pack)}.pack`
    await Promise.all(packs.map(pack => storage.write(pathOf(pack), pack, { signal })))
    const read = await Promise.all(packs.map(pack => storage.read(pathOf(pack), all)))
    t.true(packs.every((pack, at) => pack.equals(read[at] ?? EMPTY)))
    const listed = await Array.fromAsync(storage.list('pack/', { signal }))
    t.is(listed.length, 41)
    for (const { path } of listed) await storage.remove(path, { signal })
    t.deepEqual(files(), [index.path])
    await t.throwsAsync(storage.write(PACK, index.buffer, { signal }), { message: /422/ })
  })
}

test('with TLS, HTTP/1.1 and HTTP/2 are served, and plain HTTP is not', async t => {
  const { url, get, files } = await serving(
    t,
    { [PACK]: content },
    { tls: { key: pem, cert: pem } },
  )
  t.regex(url, /^https:/)
  const { port } = new URL(url)
  const old = await new Promise<number | undefined>((resolve, reject) => {
    requestSecurely(`https://localhost:${port}/${PACK}`, { ca: pem }, response => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
      .on('error', reject)
      .end()
  })
  t.is(old, 200)
  const session = connectHttp2(`https://localhost:${port}`, { ca: pem })
  t.teardown(() => session.destroy())
  const ask = (headers: Record<string, string>, body?: Buffer) =>
    new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
      const stream = session.request(headers, { endStream: !body })
      let status = 0
      const chunks: Buffer[] = []
      stream.on('response', head => {
        status = Number(head[':status'])
      })
      stream.on('data', chunk => chunks.push(chunk))
      stream.on('end', () => resolve({ status, body: Buffer.concat(chunks) }))
      stream.on('error', reject)
      if (body) stream.end(body)
    })
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => ask({ ':path': `/${PACK}`, range: 'bytes=7-' })),
  )
  for (const { status, body } of answers) {
    t.is(status, 206)
    t.true(body.equals(content.subarray(7)))
  }
  const put = { ':method': 'PUT', ':path': `/${index.path}` }
  t.is((await ask(put, Buffer.alloc(100_000))).status, 401)
  t.is((await ask({ ...put, ...WITH_TOKEN }, index.buffer)).status, 204)
  t.is((await ask({ ':path': '/absent', ':method': 'HEAD' })).status, 404)
  const broken = session.request({ ...put, ':path': `/${TRACE}`, ...WITH_TOKEN })
  broken.on('error', () => undefined)
  broken.write('{"a":1}', () => broken.destroy())
  await new Promise(resolve => broken.on('close', resolve))
  t.is((await ask({ ':path': `/${PACK}` })).status, 200)
  t.deepEqual(files(), [index.path, PACK])
  await t.throwsAsync(get(PACK))
})

test('a head that is too large is refused', async t => {
  const { get, say } = await serving(t, { [PACK]: content }, { limits: { headerBytes: 2000 } })
  const headers = { 'x-long': 'x'.repeat(3000) }
  t.is((await get(PACK, { headers })).status, 431)
  t.regex(await say(`GET /${'x'.repeat(100_000)}`), / 431 /)
  t.is((await get(PACK)).status, 200)
})

test('who does not finish the head of a request is let go', async t => {
  const { say, get } = await serving(t, { [PACK]: content }, { limits: SHORT })
  await say('')
  await say('GET / HTTP/1.1\r\nhost:')
  // Also after a request.
  const text = await say(`GET /${PACK} HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost:`)
  t.regex(text, /^HTTP\/1.1 200/)
  t.is((await get(PACK)).status, 200)
})

test('who does not say hello to TLS is let go', async t => {
  const { say } = await serving(t, {}, { limits: SHORT, tls: { key: pem, cert: pem } })
  t.is(await say(''), '')
})

test('an upload that does not move is ended', async t => {
  const { say, files } = await serving(t, {}, { limits: SHORT })
  t.is(await say(putHead(PACK, 300_000, TOKEN)), '')
  t.is(await say(putHead(PACK, 300_000, TOKEN) + content.toString('latin1', 0, 1000)), '')
  t.deepEqual(files(), [])
})

test.serial('a download that does not move is ended, and one that moves is not', async t => {
  const large = Buffer.alloc(32 << 20, 'text')
  const path = `pack/${blake3Hex(large)}.pack`
  const outcomes: Answered[] = []
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const onRequest = (answered: Answered): void => {
    outcomes.push(answered)
    if (outcomes.length === 2) resolve()
  }
  const { talk } = await serving(t, { [path]: large }, { limits: { stallTimeout: 500 }, onRequest })
  const ask = `GET /${path} HTTP/1.1\r\nhost: a\r\n\r\n`
  const stalled = await talk()
  stalled.pause().write(ask)
  const slow = await talk()
  slow.write(ask)
  // In all, it takes longer than the stalled one may wait.
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  let [length, pause] = [0, 1 << 20]
  slow.on('data', chunk => {
    length += chunk.length
    if (length > large.length) arrive()
    if (length < pause) return
    pause += 1 << 20
    slow.pause()
    setTimeout(() => slow.resume(), 25)
  })
  await Promise.all([over, arrived])
  const [first, last] = outcomes.sort((a, b) => a.bytes - b.bytes) as [Answered, Answered]
  t.true(first.bytes < large.length)
  t.is(last.bytes, large.length)
  t.is(last.path, `/${path}`)
})

test.serial('a download over HTTP/2 that takes long for each megabyte is not ended', async t => {
  const large = Buffer.alloc(1 << 20, 'text')
  const path = `pack/${blake3Hex(large)}.pack`
  const { url } = await serving(
    t,
    { [path]: large },
    { tls: { key: pem, cert: pem }, limits: { stallTimeout: 1000 } },
  )
  const session = connectHttp2(url.replace('127.0.0.1', 'localhost'), { ca: pem })
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': `/${path}` })
  let length = 0
  // The server may send no more than a window of 64 KiB ahead of what was read.
  for await (const chunk of stream) {
    length += chunk.length
    await sleep(chunk.length / 400)
  }
  t.is(length, large.length)
  t.is(stream.rstCode, 0)
})

test('of too many connections from one address, the oldest that asks for nothing goes', async t => {
  const limits = { connectionsPerAddress: 4 }
  const { talk, get } = await serving(t, { [PACK]: content }, { limits })
  const silent = [await talk(), await talk(), await talk(), await talk()]
  const gone = silent.map(socket => new Promise(resolve => socket.once('close', resolve)))
  t.is((await get(PACK, { agent: false })).status, 200)
  await gone[0]
  t.deepEqual(silent.map(({ destroyed }) => destroyed).slice(1), [false, false, false])
})

test('of too many connections in all, the oldest that asks for nothing goes', async t => {
  const limits = { connections: 3 }
  const { talk, get } = await serving(t, { [PACK]: content }, { limits })
  const silent = [await talk('127.0.0.2'), await talk('127.0.0.3'), await talk('127.0.0.4')]
  const gone = silent.map(socket => new Promise(resolve => socket.once('close', resolve)))
  t.is((await get(PACK, { agent: false })).status, 200)
  await gone[0]
  t.deepEqual(silent.map(({ destroyed }) => destroyed).slice(1), [false, false])
})

test('connections at work are not sent away for new ones', async t => {
  const limits = { connectionsPerAddress: 2 }
  const { talk, say, get } = await serving(t, {}, { limits })
  for (let i = 0; i < 2; i++) {
    const socket = await talk()
    socket.write(putHead(PACK, 300_000, TOKEN, 'expect: 100-continue\r\n'))
    t.regex(await heard(socket), / 100 /)
  }
  t.is(await say('GET / HTTP/1.1\r\n'), '')
  await t.throwsAsync(get(PACK, { agent: false }))
  t.is((await get(PACK, { agent: false, localAddress: '127.0.0.9' })).status, 404)
})

test('clients that hold connections open do not keep others from their files', async t => {
  const limits = { connections: 64, connectionsPerAddress: 16 }
  const { url, get } = await serving(t, { [PACK]: content }, { limits })
  const port = Number(new URL(url).port)
  const open = new Set<Socket>()
  let left = 600
  const hold = (localAddress: string): void => {
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    open.add(socket.on('error', () => undefined))
    socket.write('GET / HTTP/1.1\r\nhost:')
    // Who is sent away comes back.
    socket.once('close', () => {
      open.delete(socket)
      if (left-- > 0) hold(localAddress)
    })
  }
  for (let n = 0; n < 100; n++) hold(`127.0.1.${1 + (n % 6)}`)
  t.teardown(() => {
    left = 0
    for (const socket of open) socket.destroy()
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  t.teardown(() => agent.destroy())
  const asked = Array.from({ length: 200 }, () => get(PACK, { agent, localAddress: '127.0.0.1' }))
  t.true((await Promise.all(asked)).every(({ status }) => status === 200))
})

test('what the disk says is for the one who serves, not for clients', async t => {
  const problem = Object.assign(new Error('EIO: secret detail'), { code: 'EIO' })
  const errors: unknown[] = []
  const failing = (at: 'open' | 'read' | 'end'): Disk => ({
    open: async () => {
      if (at === 'open') throw problem
      const read = async (buffer: Uint8Array, position: number): Promise<number> => {
        if (at === 'read' || position > 0) throw problem
        return buffer.length
      }
      return { size: 4 << 20, version: '1', read, close: () => undefined }
    },
  })
  for (const at of ['open', 'read'] as const) {
    const onError = (error: unknown): void => void errors.push(error)
    const { get } = await serving(t, {}, { disk: failing(at), onError })
    const answer = await get(PACK, { headers: { range: 'bytes=0-99' } })
    t.is(answer.status, 500)
    t.notRegex(answer.body.toString(), /secret|EIO/)
    t.is(answer.headers['cache-control'], undefined)
  }
  t.deepEqual(errors, [problem, problem])
  const { get } = await serving(t, {}, { disk: failing('end') })
  // What is said already cannot be taken back.
  await t.throwsAsync(get(PACK), { code: 'ECONNRESET' })
})

test('a disk that cannot be written to is an error without detail', async t => {
  const errors: unknown[] = []
  const onError = (error: unknown): void => void errors.push(error)
  const { put, directory } = await serving(t, { 'pack/a': '' }, { onError })
  for (const [code, status] of [
    ['EIO', 500],
    ['ENOSPC', 507],
  ] as const) {
    const files = {
      ...nodeHost.files,
      writeNew: () => {
        throw Object.assign(new Error('secret'), { code })
      },
    }
    const other = await serving(t, {}, { onError, host: { ...nodeHost, files } })
    const answer = await other.put(PACK, content)
    t.is(answer.status, status)
    t.notRegex(answer.body.toString(), /secret|\//)
    t.deepEqual(other.files(), [])
  }
  t.is(errors.length, 2)
  t.is((await put(PACK, content)).status, 204)
  t.true(readdirSync(join(directory, 'pack')).length === 2)
})

test('each request is reported once, with its status and size', async t => {
  const answered: Answered[] = []
  const onRequest = (request: Answered): void => void answered.push(request)
  const { get, put, close } = await serving(t, { [PACK]: content }, { onRequest })
  await get(PACK)
  await get(PACK, { method: 'HEAD' })
  await get(`${'x'.repeat(300)}\u001b`.slice(0, 300))
  await put(TRACE, SIGNED)
  await close()
  t.deepEqual(answered, [
    { method: 'GET', path: `/${PACK}`, status: 200, bytes: 300_000 },
    { method: 'HEAD', path: `/${PACK}`, status: 200, bytes: 0 },
    { method: 'GET', path: `/${'x'.repeat(199)}`, status: 404, bytes: 0 },
    { method: 'PUT', path: `/${TRACE}`, status: 204, bytes: SIGNED.length },
  ])
})

for (const secure of [false, true]) {
  test(`closing lets what runs come to its end${secure ? ', with TLS' : ''}`, async t => {
    const tls = { key: pem, cert: pem }
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const { promise: allowed, resolve: allow } = Promise.withResolvers<void>()
    const disk: Disk = {
      open: async () => {
        begin()
        await allowed
        return { size: 3, version: '1', read: async b => b.length, close: () => undefined }
      },
    }
    const { get, talk, close, url } = await serving(
      t,
      {},
      {
        disk,
        limits: { closeTimeout: 20_000 },
        ...(secure && { tls }),
      },
    )
    const idle = await talk()
    const idleGone = new Promise(resolve => idle.once('close', resolve))
    const running = secure ? secureStatus(t, url) : get(PACK).then(({ status }) => status)
    await begun
    const closed = close()
    await idleGone
    await t.throwsAsync(talk(), { code: 'ECONNREFUSED' })
    allow()
    t.is(await running, 200)
    await closed
  })
}

test('closing breaks off what does not come to its end', async t => {
  const { talk, close } = await serving(t, {}, { limits: { closeTimeout: 50 } })
  const socket = await talk()
  socket.on('error', () => undefined)
  const gone = new Promise(resolve => socket.once('close', resolve))
  socket.write(putHead(PACK, 300_000, TOKEN, 'expect: 100-continue\r\n'))
  await heard(socket)
  await Promise.all([close(), close(), gone])
  t.pass()
})

test('the signal closes the server', async t => {
  const controller = new AbortController()
  const { talk, close } = await serving(t, {}, { signal: controller.signal })
  controller.abort()
  await close()
  await t.throwsAsync(talk(), { code: 'ECONNREFUSED' })
})

test('a directory of something else is not served, with the hint that a push gives', async t => {
  const directory = memoryDirectory(t)
  const { signal } = new AbortController()
  const options = { host: nodeHost, directory, address: '127.0.0.1', port: 0, signal }
  writeFileSync(join(directory, 'passwd'), '')
  for (const uploadToken of [undefined, TOKEN]) {
    const error = await t.throwsAsync(serveCache({ ...options, uploadToken } as ServeOptions), {
      code: 'CACHE_FOREIGN',
      message: /is no cache: it holds passwd$/,
    })
    t.is((error as { hint?: string }).hint, 'name a cache, or a directory that is new or empty')
  }
  writeFileSync(join(directory, 'mixos-cache.json'), '{"format":"mixos-cache-9"}')
  await t.throwsAsync(serveCache(options), { code: 'CACHE_FOREIGN', message: /mixos-cache-9/ })
  writeFileSync(join(directory, 'mixos-cache.json'), INFO)
  const { close } = await serveCache(options)
  await close()
})

test('a part of a cache that is a symlink is told of at the start', async t => {
  const [directory, outside] = [memoryDirectory(t), memoryDirectory(t)]
  const { signal } = new AbortController()
  symlinkSync(outside, join(directory, 'pack'))
  const serve = serveCache({ host: nodeHost, directory, address: '127.0.0.1', port: 0, signal })
  const error = await t.throwsAsync(serve, {
    code: 'FILE_UNAVAILABLE',
    message: /pack is a symlink, which is not followed$/,
  })
  t.regex((error as { hint?: string }).hint ?? '', /mount/)
})

test('what cannot be served is an error that says why', async t => {
  const directory = join(memoryDirectory(t), 'cache')
  mkdirSync(directory)
  writeFileSync(join(directory, 'mixos-cache.json'), INFO)
  writeFileSync(join(directory, 'file'), '')
  const { signal } = new AbortController()
  const options = { host: nodeHost, directory, address: '127.0.0.1', port: 0, signal }
  const first = await serveCache(options)
  t.teardown(() => first.close())
  const port = Number(new URL(first.url).port)
  for (const [code, change, message] of [
    ['ADDRESS_UNAVAILABLE', { port }, /cannot listen on 127.0.0.1 port \d+: EADDRINUSE/],
    [
      'ADDRESS_UNAVAILABLE',
      { address: '192.0.2.1' },
      /cannot listen on 192.0.2.1 port 0: EADDRNOTAVAIL/,
    ],
    ['FILE_UNAVAILABLE', { directory: join(directory, 'file') }, /file is not a directory/],
    ['FILE_UNAVAILABLE', { directory: join(directory, 'absent') }, /absent is not there/],
    ['SETTINGS_INVALID', { uploadToken: 'short' }, /has 5 characters, fewer than 16/],
    ['SETTINGS_INVALID', { uploadToken: 'with spaces in the middle' }, /printable/],
    ['KEY_INVALID', { tls: { key: 'x', cert: 'y' } }, /the key and the certificate are of no use/],
  ] as const) {
    await t.throwsAsync(serveCache({ ...options, ...change }), { code, message })
  }
})

const SHORT = { headersTimeout: 150, idleTimeout: 150, stallTimeout: 300 }

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** Of the client. */
  readonly port: number | undefined
}

interface Asked extends RequestOptions {
  readonly body?: string | Buffer
  readonly chunked?: boolean
}

interface Served {
  readonly url: string
  readonly directory: string
  readonly close: () => Promise<void>
  /** Adds a file to the directory. */
  readonly write: (path: string, data: string | Buffer) => void
  /** All files that are there, also what should not be; sorted. */
  readonly files: () => string[]
  readonly get: (path: string, options?: Asked) => Promise<Answer>
  readonly put: (path: string, body: string | Buffer, options?: Asked) => Promise<Answer>
  /** An open connection. */
  readonly talk: (localAddress?: string) => Promise<Socket>
  /** All that comes over a connection of its own until the server ends it. */
  readonly say: (text: string) => Promise<string>
}

/** A server with these files that goes with the test. */
async function serving(
  t: ExecutionContext,
  tree: Readonly<Record<string, string | Buffer>> = {},
  options: Partial<ServeOptions> = {},
): Promise<Served> {
  const directory = join(memoryDirectory(t), 'cache')
  mkdirSync(directory)
  const write = (path: string, data: string | Buffer): void => {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), data)
  }
  for (const [path, data] of Object.entries(tree)) write(path, data)
  const { url, close } = await serveCache({
    host: nodeHost,
    directory,
    address: '127.0.0.1',
    port: 0,
    uploadToken: TOKEN,
    signal: new AbortController().signal,
    limits: { closeTimeout: 100, ...options.limits },
    ...without(options, 'limits'),
  } as ServeOptions)
  t.teardown(close)
  const { port } = new URL(url)
  const get = (path: string, { body, chunked, ...asked }: Asked = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, path: `/${path}`, ...asked }, response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode: status = 0, headers } = response
          const body = Buffer.concat(chunks)
          resolve({ status, headers, body, port: response.socket?.localPort })
        })
      })
      sent.on('error', reject)
      if (body !== undefined && !chunked) sent.setHeader('content-length', Buffer.byteLength(body))
      else if (chunked) sent.setHeader('transfer-encoding', 'chunked')
      sent.end(body)
    })
  const talk = (localAddress?: string): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect({
        host: '127.0.0.1',
        port: Number(port),
        ...(localAddress && { localAddress }),
      })
      t.teardown(() => socket.destroy())
      socket.once('error', reject)
      socket.once('connect', () => resolve(socket))
    })
  const say = async (text: string): Promise<string> => {
    const socket = await talk()
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    const { promise, resolve } = Promise.withResolvers<void>()
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
    socket.write(text, 'latin1')
    await promise
    return Buffer.concat(chunks).toString('latin1')
  }
  return {
    url,
    directory,
    close,
    write,
    get,
    talk,
    say,
    put: (path, body, asked) => get(path, { method: 'PUT', headers: WITH_TOKEN, body, ...asked }),
    files: () =>
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter(entry => !entry.isDirectory())
        .map(entry => join(entry.parentPath, entry.name).slice(directory.length + 1))
        .sort(),
  }
}

function ownClient(t: ExecutionContext, url: string): WritableStorage {
  const base = new URL(url.replace('127.0.0.1', 'localhost'))
  const patience = { answer: 60_000, change: 60_000 }
  const storage = httpStorage(base, {}, { token: TOKEN, ca: pem, patience })
  t.teardown(() => storage.close())
  return storage
}

function without<T extends object>(options: T, name: keyof T): Partial<T> {
  const { [name]: _, ...rest } = options
  return rest as Partial<T>
}

function putHead(path: string, length: number, token: string, more = ''): string {
  return `PUT /${path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\ncontent-length: ${length}\r\n${more}\r\n`
}

/** The next that comes. */
function heard(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', chunk => resolve(chunk.toString('latin1')))
    socket.once('close', () => reject(new Error('the connection was closed')))
  })
}

function secureStatus(t: ExecutionContext, url: string): Promise<number> {
  const session = connectHttp2(url.replace('127.0.0.1', 'localhost'), { ca: pem })
  t.teardown(() => session.destroy())
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': `/${PACK}` })
    let status = 0
    stream.on('response', head => {
      status = Number(head[':status'])
    })
    stream.on('error', reject)
    stream.resume().on('end', () => resolve(status))
  })
}

/** A signed statement about the step of that hash. */
function traceOf(byte: string) {
  const hash = byte.repeat(32)
  const object = '0'.repeat(64) as ObjectHash
  const outputs = { out: { path: storePathOf(object, 'hello-1'), hash: object } }
  return signTrace(
    {
      label: 'hello-1',
      derivation: hash as DerivationHash,
      resolved: hash as ResolvedHash,
      outputs,
    },
    key,
    Date.now(),
  )
}

/** The index of an object of directories alone, so that no pack belongs to it. */
function indexOf(label: string, count = 3): { path: string; text: string; buffer: Buffer } {
  const names = Array.from({ length: count }, (_, i) => `directory-with-a-long-name-${i}`).sort()
  const entries: Manifest['entries'] = ['', ...names].map(path => ({ path, type: 'directory' }))
  const manifest: Manifest = { label, references: [], entries }
  const hash = hashManifest(manifest)
  const path = storePathOf(hash, label)
  const text = formatIndex({ hash, path, manifest, packs: [], frames: [], files: [] })
  return { path: `object/${digestOf(hash)}.json`, text, buffer: Buffer.from(text) }
}

/** The index of an object with so many files, which are all the same 20 bytes of a pack. */
function indexOfFile({
  pack = blake3Hex(content),
  offset = 0,
  many = 1,
}: {
  pack?: string
  offset?: number
  many?: number
}): { path: string; text: string } {
  const label = 'file-1'
  const names = Array.from({ length: many }, (_, i) => `file-${i}`).sort()
  const file = { type: 'file', executable: false, size: 20, hash: '0'.repeat(64) } as const
  const entries: Manifest['entries'] = [
    { path: '', type: 'directory' },
    ...names.map(path => ({ path, ...file })),
  ]
  const manifest: Manifest = { label, references: [], entries }
  const hash = hashManifest(manifest)
  const frames = [{ pack: 0, offset, length: 20, size: 20 }]
  const files = names.map(() => ({ frame: 0, at: 0 }))
  const path = storePathOf(hash, label)
  const text = formatIndex({ hash, path, manifest, packs: [pack], frames, files })
  return { path: `object/${digestOf(hash)}.json`, text }
}
