import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { MixosError } from '../../../graph/error.ts'
import { type HttpOptions, httpStorage } from '../../../store/cache/storages/http.ts'
import { bodyOf } from '../../../store/cache/storages/http-body.ts'
import { filesIn } from '../../../store/cache/storages/http-list.ts'
import { linePaceOf } from '../../../store/cache/storages/http-pace.ts'
import { isPath } from '../../../store/cache/storages/path.ts'
import { cacheServer, certificate } from '../../helpers/cache-server.ts'
import { begins, type Handler, noise, redirect, serve } from '../../helpers/http-server.ts'

const content = noise(200_000)
const signal = new AbortController().signal
const all = { signal, limit: 1_000_000 }
const part = { ...all, range: { offset: 1000, length: 50 } }

for (const [what, handler, code, message] of [
  ['a server error', status(500), 'CACHE_UNAVAILABLE', /\/file: HTTP status 500$/],
  ['a server too busy', status(503), 'CACHE_UNAVAILABLE', /HTTP status 503$/],
  ['too many requests', status(429), 'CACHE_UNAVAILABLE', /HTTP status 429$/],
  ['a status of no meaning here', status(418), 'CACHE_UNAVAILABLE', /HTTP status 418$/],
  ['a missing login', status(401), 'CACHE_DENIED', /denied without a token: HTTP status 401$/],
  ['a wrong login', status(403), 'CACHE_DENIED', /HTTP status 403$/],
  ['a redirect without a place', status(302), 'CACHE_UNAVAILABLE', /HTTP status 302$/],
  ['a redirect to no URL', redirect('http://['), 'CACHE_INVALID', /redirects to/],
  ['a redirect to a file', redirect('file:///etc/passwd'), 'CACHE_INVALID', /redirects to file:/],
  ['a redirect in a circle', redirect('/file'), 'CACHE_UNAVAILABLE', /more than 3 redirects$/],
  [
    'a web page',
    sends('<html>', { 'content-type': 'text/html; charset=utf-8' }),
    'CACHE_INVALID',
    /web page/,
  ],
  [
    'a compressed answer',
    sends('zzz', { 'content-encoding': 'gzip' }),
    'CACHE_INVALID',
    /encoding "gzip"$/,
  ],
  [
    'a truncated answer',
    begins(content, 1000, 'hangs up'),
    'CACHE_UNAVAILABLE',
    /connection broke/,
  ],
  ['an answer that hangs up at once', hangUp, 'CACHE_UNAVAILABLE', /other side closed|ECONNRESET/],
  [
    'an answer that is no HTTP',
    says('SSH-2.0-OpenSSH\r\n\r\n'),
    'CACHE_UNAVAILABLE',
    /Expected HTTP/,
  ],
] as [string, Handler, 'CACHE_INVALID', RegExp][]) {
  test(`${what} is ${code}`, async t => {
    const { read } = await storageOf(t, { '/file': handler }, { patience: FEW_SECONDS })
    await t.throwsAsync(read(), { code, message })
  })
}

for (const code of [429, 502, 503, 504]) {
  test(`a server that says ${code} now and then is asked again, also to change something`, async t => {
    let asked = 0
    const server = await serve(t, {
      '/file': (request, response) => {
        if (++asked % 3 !== 0) return void response.writeHead(code).end()
        request.resume()
        response.writeHead(200).end(request.method === 'GET' ? content : '')
      },
    })
    const storage = httpStorage(new URL(server.base), {}, { patience: FEW_SECONDS })
    t.teardown(() => storage.close())
    t.deepEqual(await storage.read('file', all), content)
    t.true(await storage.has('file', all))
    await storage.write('file', content, all)
    await storage.remove('file', all)
    t.is(asked, 12)
  })
}

test('who no longer wants an answer waits no longer for a server that is busy', async t => {
  const enough = new AbortController()
  const busy: Handler = (_, response) => {
    response.writeHead(503).end(() => enough.abort(new Error('enough')))
  }
  const { storage } = await storageOf(t, { '/file': busy }, { patience: LONG })
  const reading = storage.read('file', { ...all, signal: enough.signal })
  await t.throwsAsync(reading, { message: 'enough' })
})

for (const code of [404, 410]) {
  test(`the status ${code} is absent, and keeps the connection`, async t => {
    const { storage, connections } = await storageOf(t, { '/file': status(code, 'not here') })
    for (let i = 0; i < 3; i++) {
      t.is(await storage.read('file', all), undefined)
      t.false(await storage.has('file', all))
    }
    // A second one, since the first is not free in the very turn in which an answer ends.
    t.true(connections() <= 2)
  })
}

test('a file of unknown length is read, and cut off at the limit', async t => {
  let [sent, isClosed] = [0, false]
  const endless: Handler = (_, response) => {
    response.on('close', () => {
      isClosed = true
    })
    const more = (): void => {
      sent += 65_536
      if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(more))
    }
    more()
  }
  const chunked: Handler = (_, response) => {
    response.write(content.subarray(0, 1000))
    response.end(content.subarray(1000))
  }
  const { storage } = await storageOf(t, { '/endless': endless, '/chunked': chunked })
  t.deepEqual(await storage.read('chunked', all), content)
  await t.throwsAsync(storage.read('endless', all), {
    code: 'CACHE_INVALID',
    message: /has at least \d+ bytes, not at most 1000000/,
  })
  await until(() => isClosed)
  t.true(sent < 20 * all.limit)
})

test('an answer that announces more than the limit is not read', async t => {
  const huge: Handler = (_, response) => {
    response.writeHead(200, { 'content-length': '99999999999' }).flushHeaders()
  }
  const { read } = await storageOf(t, { '/file': huge })
  await t.throwsAsync(read(), { code: 'CACHE_INVALID', message: /has 99999999999 bytes/ })
})

test('of a server that knows no ranges, the range is cut out', async t => {
  const { storage } = await storageOf(t, { '/file': sends(content) })
  t.deepEqual(await storage.read('file', part), content.subarray(1000, 1050))
  await t.throwsAsync(storage.read('file', { ...all, range: { offset: 199_999, length: 2 } }), {
    code: 'CACHE_INVALID',
    message: /asked for bytes 199999-200000, got fewer/,
  })
})

test('a server that knows no ranges is not read through for a part of something huge', async t => {
  const huge: Handler = (_, response) => {
    response.writeHead(200, { 'content-length': String(2 ** 31) }).flushHeaders()
  }
  const { storage } = await storageOf(t, { '/file': huge, '/chunked': sends(content) })
  await t.throwsAsync(storage.read('file', part), { code: 'CACHE_INVALID', message: /no ranges/ })
  const range = { offset: 2 ** 30, length: 1 }
  await t.throwsAsync(storage.read('chunked', { ...all, range }), { message: /no ranges/ })
})

for (const [what, range, body] of [
  ['another range', 'bytes 7-56/200000', content.subarray(7, 57)],
  ['a shorter range', 'bytes 1000-1020/200000', content.subarray(1000, 1021)],
  ['more than its range', 'bytes 1000-1049/200000', content.subarray(1000, 1060)],
  ['less than its range', 'bytes 1000-1049/200000', content.subarray(1000, 1040)],
  ['a range without saying which', undefined, content.subarray(1000, 1050)],
] as const) {
  test(`${what} is CACHE_INVALID`, async t => {
    const { storage } = await storageOf(t, {
      '/file': (_, response) =>
        response.writeHead(206, range ? { 'content-range': range } : {}).end(body),
    })
    await t.throwsAsync(storage.read('file', part), { code: 'CACHE_INVALID' })
  })
}

test('a part where all was asked for is CACHE_INVALID', async t => {
  const { read } = await storageOf(t, {
    '/file': (_, response) =>
      response.writeHead(206, { 'content-range': 'bytes 0-9/200000' }).end('0123456789'),
  })
  await t.throwsAsync(read(), { code: 'CACHE_INVALID', message: /got a part$/ })
})

test.serial('a server that answers nothing is given up', async t => {
  const { storage } = await storageOf(t, { '/file': () => undefined }, { patience: QUICK })
  const silent = { code: 'CACHE_UNAVAILABLE', message: /\/file: no answer came within 0.3 s$/ }
  await t.throwsAsync(storage.read('file', all), silent)
  await t.throwsAsync(storage.has('file', all), silent)
})

test.serial('a server that stops in the middle is given up', async t => {
  const { read } = await storageOf(
    t,
    { '/file': begins(content, 1000, 'stalls') },
    { patience: QUICK },
  )
  await t.throwsAsync(read(), { code: 'CACHE_UNAVAILABLE', message: /no more came within 0.3 s$/ })
})

test.serial('a server that sends a byte now and then is given up', async t => {
  const dripping: Handler = (_, response) => {
    response.writeHead(200, { 'content-length': '200000' })
    const timer = setInterval(() => response.write('x'), 5)
    response.on('close', () => clearInterval(timer))
  }
  const { read } = await storageOf(t, { '/file': dripping }, { patience: QUICK })
  await t.throwsAsync(read(), { code: 'CACHE_UNAVAILABLE', message: /no more came within 0.3 s$/ })
})

test.serial('a server that trickles without a pause is given up', async t => {
  const trickling: Handler = (_, response) => {
    response.writeHead(200, { 'content-length': '200000' })
    const timer = setInterval(() => response.write('x'.repeat(1100)), 500)
    response.on('close', () => clearInterval(timer))
  }
  const patience = { answer: 1000, change: 1000 }
  const { read } = await storageOf(t, { '/file': trickling }, { patience })
  await t.throwsAsync(read(), { code: 'CACHE_UNAVAILABLE', message: /trickles|no more came/ })
})

test.serial('a server whose answers together drip is given up, however many they are', async t => {
  const drip = dripping({ bytes: 200_000, aSecond: 20_000 })
  const { read } = await storageOf(t, { '/file': drip }, { patience: QUICK })
  const slow = { code: 'CACHE_UNAVAILABLE', message: /\/file: .* less than 64 KiB a second$/ }
  await t.throwsAsync(read(), slow)
  await t.throwsAsync(Promise.all([read(), read()]), slow)
})

test.serial('a narrow line that several answers share is not given up', async t => {
  const narrow = dripping({ bytes: 80_000, aSecond: 30_000 })
  const { read } = await storageOf(t, { '/file': narrow }, { patience: QUICK })
  const answers = await Promise.all([read(), read(), read(), read()])
  t.true(answers.every(bytes => bytes?.length === 80_000))
})

test.serial(
  'of the time between answers, and in which this process was busy, nothing is counted',
  async t => {
    const pace = linePaceOf(50)
    await sleep(100)
    pace.begin()
    t.false(pace.isSlow(1))
    const start = performance.now()
    while (performance.now() - start < 100) Math.sqrt(start)
    t.false(pace.isSlow(1))
    await sleep(100)
    t.true(pace.isSlow(1))
    pace.end()
  },
)

test.serial('a server is not taken for stalled because this process was busy', async t => {
  const answer = sends(content)
  const { read } = await storageOf(
    t,
    {
      '/file': (request, response) => {
        answer(request, response)
        // The answer is on its way, and nobody looks.
        const start = performance.now()
        while (performance.now() - start < 2 * QUICK.answer) Math.sqrt(start)
      },
    },
    { patience: QUICK },
  )
  t.deepEqual(await read(), content)
})

test.serial('a silent server costs thousands of reads what it costs one', async t => {
  const { storage } = await storageOf(t, {}, { patience: QUICK }, () => undefined)
  const start = performance.now()
  const reads = await Promise.allSettled(
    Array.from({ length: 2000 }, (_, i) => storage.read(`${i}`, all)),
  )
  t.true(reads.every(({ status }) => status === 'rejected'))
  // Far from what twenty turns would take.
  t.true(performance.now() - start < 10 * QUICK.answer)
})

test.serial('a connection that does not come up is given up, for all who wait for it', async t => {
  const sockets: Socket[] = []
  const port = await listening(
    t,
    // Says nothing to a TLS greeting.
    createTcpServer(socket => sockets.push(socket)),
  )
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  const storage = httpStorage(new URL(`https://127.0.0.1:${port}`), {}, { patience: QUICK })
  t.teardown(() => storage.close())
  const reads = await Promise.allSettled(
    Array.from({ length: 300 }, (_, i) => storage.read(`${i}`, all)),
  )
  for (const read of reads) {
    if (read.status === 'fulfilled') return t.fail()
    t.regex(read.reason.message, /no connection came up within 0.3 s$/)
  }
})

test('a port where nobody listens is told as such', async t => {
  // Not one that was free a moment ago, which another test may have been given since.
  const storage = httpStorage(new URL('http://127.0.0.1:1/cache'), {}, { patience: LONG })
  t.teardown(() => storage.close())
  await t.throwsAsync(storage.read('file', all), {
    code: 'CACHE_UNAVAILABLE',
    message: /^http:\/\/127\.0\.0\.1:1\/cache\/file: .*ECONNREFUSED/,
  })
})

test('a request whose kept connection broke is sent once more', async t => {
  let requests = 0
  const flaky: Handler = (request, response) => {
    if (++requests === 2) request.socket.destroy()
    else response.end(content)
  }
  const { read } = await storageOf(t, { '/file': flaky })
  t.deepEqual([(await read())?.length, (await read())?.length], [content.length, content.length])
  t.is(requests, 3)
})

test('an abort ends a request, and those that wait for their turn', async t => {
  const { storage } = await storageOf(t, {}, {}, () => undefined)
  const abort = new AbortController()
  const reads = Array.from({ length: 500 }, (_, i) =>
    storage.read(`${i}`, { ...all, signal: abort.signal }),
  )
  setImmediate(() => abort.abort(new Error('enough')))
  for (const read of reads) await t.throwsAsync(read, { message: 'enough' })
})

test('closing ends what still runs', async t => {
  const { storage, requests } = await storageOf(t, { '/file': () => undefined })
  const read = storage.read('file', all)
  const refused = t.throwsAsync(read, { code: 'CACHE_UNAVAILABLE' })
  await until(() => requests.length > 0)
  await storage.close()
  await refused
})

test('thousands of reads share few connections', async t => {
  const { storage, connections } = await storageOf(t, {}, {}, (request, response) =>
    response.end(`content of ${request.url}`),
  )
  const reads = await Promise.all(Array.from({ length: 2000 }, (_, i) => storage.read(`${i}`, all)))
  t.deepEqual(
    reads.map(String),
    reads.map((_, i) => `content of /${i}`),
  )
  t.true(connections() <= 32)
})

test('HTTP/2 is spoken where the server speaks it, over one connection', async t => {
  const server = await cacheServer(t, { secure: true })
  server.files.set('file', content.subarray(0, 1000))
  const storage = httpStorage(server.url, {}, { ca: certificate, patience: LONG })
  t.teardown(() => storage.close())
  const reads = await Promise.all(Array.from({ length: 500 }, () => storage.read('file', all)))
  for (const read of reads) t.deepEqual(read, content.subarray(0, 1000))
  t.true(server.requests.every(request => request.endsWith(' 2.0')))
  t.is(server.connections(), 1)
})

test('a certificate that nobody vouches for is refused', async t => {
  const server = await cacheServer(t, { secure: true })
  const storage = httpStorage(server.url, {}, { patience: LONG })
  t.teardown(() => storage.close())
  const error = await t.throwsAsync<MixosError>(storage.read('file', all), {
    code: 'CACHE_UNAVAILABLE',
    message: /self-signed certificate/,
  })
  t.regex(error.hint ?? '', /set MIXOS_CACHE_CA/)
})

test('up to three redirects are followed, also to another server', async t => {
  const other = await serve(t, { '/3': sends(content) })
  const { read } = await storageOf(t, {
    '/file': redirect('1'),
    '/1': redirect('/2'),
    '/2': redirect(`${other.base}/3`),
  })
  t.deepEqual(await read(), content)
})

test('a redirect from HTTPS to HTTP is refused', async t => {
  const plain = await serve(t, { '/file': sends(content) })
  const server = await cacheServer(t, { secure: true })
  server.answers.set('file', redirect(`${plain.base}/file`))
  const storage = httpStorage(server.url, {}, { ca: certificate, patience: LONG })
  t.teardown(() => storage.close())
  await t.throwsAsync(storage.read('file', all), {
    code: 'CACHE_INVALID',
    message: /redirects to http:/,
  })
  t.deepEqual(plain.requests, [])
})

test('a token goes to its own origin only', async t => {
  const asked: Record<string, string | undefined> = {}
  const noted =
    (name: string, handler: Handler): Handler =>
    (request, response) => {
      asked[name] = request.headers.authorization
      handler(request, response)
    }
  const back: Handler = (_, response) => redirect(`${base}/back`)({} as never, response)
  const other = await serve(t, { '/other': noted('other', back) })
  const { read, base } = await storageOf(
    t,
    {
      '/file': noted('file', redirect('/next')),
      '/next': noted('next', redirect(`${other.base}/other`)),
      '/back': noted('back', sends(content)),
    },
    { token: 'secret' },
  )
  t.deepEqual(await read(), content)
  // What another server says is no reason to log in.
  t.deepEqual(asked, {
    file: 'Bearer secret',
    next: 'Bearer secret',
    other: undefined,
    back: undefined,
  })
})

test('a secret in the place that a redirect leads to is in no message', async t => {
  const { read } = await storageOf(t, {
    '/file': redirect('/other?signature=secret'),
    '/other?signature=secret': status(500),
  })
  const error = await t.throwsAsync(read(), { code: 'CACHE_UNAVAILABLE' })
  t.notRegex(String(error?.stack), /secret/)
})

test('a proxy that the environment names is used, but not for hosts it excepts', async t => {
  const direct = await serve(t, { '/file': sends('direct') })
  const proxy = await serve(t, { 'http://upstream.example/file': sends('proxied') })
  for (const env of [
    { http_proxy: proxy.base, no_proxy: '127.0.0.1' },
    { HTTP_PROXY: proxy.base.replace('http://', ''), NO_PROXY: '127.0.0.1' },
  ]) {
    for (const [url, text] of [
      ['http://upstream.example', 'proxied'],
      [direct.base, 'direct'],
    ] as const) {
      const storage = httpStorage(new URL(url), env, { patience: LONG })
      t.teardown(() => storage.close())
      t.is(String(await storage.read('file', all)), text)
    }
  }
})

test('HTTPS goes through a proxy unseen, with HTTP/2', async t => {
  const server = await cacheServer(t, { secure: true })
  server.files.set('file', content)
  const proxy = await tunnel(t, server.port)
  const env = { https_proxy: `http://me:secret@127.0.0.1:${proxy.port}` }
  const storage = httpStorage(new URL('https://localhost/cache'), env, {
    ca: certificate,
    patience: LONG,
  })
  t.teardown(() => storage.close())
  t.deepEqual(await storage.read('file', all), content)
  const login = `Basic ${Buffer.from('me:secret').toString('base64')}`
  t.deepEqual(proxy.asked, [`localhost:443 ${login}`])
  t.deepEqual(server.requests, ['GET /cache/file 2.0'])
})

test('a proxy that is down is CACHE_UNAVAILABLE, and one that is no URL is named without its password', async t => {
  const down = httpStorage(new URL('http://a.example'), { http_proxy: 'http://127.0.0.1:1' })
  await t.throwsAsync(down.read('file', all), { code: 'CACHE_UNAVAILABLE' })
  await down.close()
  const wrong = httpStorage(new URL('http://a.example'), { http_proxy: 'me:secret@[' })
  const error = await t.throwsAsync(wrong.read('file', all), { code: 'SETTINGS_INVALID' })
  t.notRegex(String(error?.stack), /secret/)
  await t.notThrowsAsync(wrong.close())
})

for (const [code, what] of [
  [401, 'CACHE_DENIED'],
  [403, 'CACHE_DENIED'],
  [404, 'CACHE_READ_ONLY'],
  [405, 'CACHE_READ_ONLY'],
  [501, 'CACHE_READ_ONLY'],
  [202, 'CACHE_UNAVAILABLE'],
  [302, 'CACHE_UNAVAILABLE'],
  [500, 'CACHE_UNAVAILABLE'],
  [507, 'CACHE_UNAVAILABLE'],
] as const) {
  test(`an upload that is answered with ${code} is ${what}`, async t => {
    const { storage } = await storageOf(t, { '/file': afterBody(status(code)) })
    for (const size of [10, content.length]) {
      const write = storage.write('file', content.subarray(0, size), { signal })
      await t.throwsAsync(write, { code: what, message: new RegExp(`HTTP status ${code}$`) })
    }
  })
}

test('an upload that is refused is not sent to its end', async t => {
  let received = 0
  const { storage } = await storageOf(t, {
    '/file': (request, response) => {
      response.writeHead(403).end()
      request.on('data', ({ length }) => {
        received += length
      })
    },
  })
  const large = Buffer.alloc(64 * 2 ** 20)
  await t.throwsAsync(storage.write('file', large, { signal }), { code: 'CACHE_DENIED' })
  t.true(received < large.length)
})

test.serial('an upload may take long, as long as it moves', async t => {
  const slow: Handler = (request, response) => {
    let [received, next] = [0, 0]
    request.on('data', ({ length }) => {
      received += length
      if (received < next) return
      next += 1_000_000
      request.pause()
      setTimeout(() => request.resume(), 30)
    })
    request.on('end', () => response.writeHead(201).end())
  }
  // Longer than what fits into the system's buffers takes, shorter than all of it.
  const patience = { answer: 600, change: 600 }
  const { storage } = await storageOf(t, { '/file': slow }, { patience })
  await t.notThrowsAsync(storage.write('file', Buffer.alloc(40_000_000), { signal }))
})

test.serial('an upload that stalls is given up', async t => {
  const { storage } = await storageOf(t, { '/file': () => undefined }, { patience: QUICK })
  for (const size of [10, 20_000_000]) {
    await t.throwsAsync(storage.write('file', Buffer.alloc(size), { signal }), {
      code: 'CACHE_UNAVAILABLE',
      message: /no answer came within 0.3 s$/,
    })
  }
})

test('a wrong token is CACHE_DENIED, and the hint says where it goes', async t => {
  const { url } = await cacheServer(t, { token: 'secret' })
  for (const token of [undefined, 'wrong']) {
    const storage = httpStorage(url, {}, { token, patience: LONG })
    t.teardown(() => storage.close())
    const error = await t.throwsAsync(storage.write('file', content, { signal }), {
      code: 'CACHE_DENIED',
    })
    t.regex((error as { hint?: string }).hint ?? '', /MIXOS_CACHE_TOKEN/)
  }
})

for (const [status, error] of [
  [409, { code: 'CACHE_INCOMPLETE', message: /HTTP status 409: "it needs a pack\\u001b"$/ }],
  [422, { code: 'CACHE_UNAVAILABLE', message: /HTTP status 422: "it needs a pack\\u001b"$/ }],
] as const) {
  test(`a file that is refused with ${status} is ${error.code}, with the server's reason`, async t => {
    const { storage } = await storageOf(t, {
      '/file': (_, response) =>
        void response
          .writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
          .end('it needs a pack\u001b\nand more\n'),
    })
    await t.throwsAsync(storage.write('file', content, { signal }), error)
  })
}

test('a server that lists nothing says so', async t => {
  const { storage } = await storageOf(t, {})
  await t.throwsAsync(Array.fromAsync(storage.list('', { signal })), {
    code: 'CACHE_UNAVAILABLE',
    message: /does not list its files/,
  })
})

test('a list is read line by line', t => {
  const text = `{"path":"a/1","size":1,"modified":2}\n{"modified":0,"size":0,"path":"a/2","more":[]}\n`
  const files = [
    { path: 'a/1', size: 1, modified: 2 },
    { path: 'a/2', size: 0, modified: 0 },
  ]
  t.deepEqual(list(`${text}{"files":2}\n`), files)
  t.deepEqual(list(`${text}{"files":2,"more":[]}`), files)
  t.deepEqual(list('{"files":0}\n'), [])
})

for (const end of ['', '{"files":1}\n', '{"files":3}\n', '{"files":2}\n{"files":2}\n']) {
  test(`a list of two files that ends with ${JSON.stringify(end)} is CACHE_INVALID`, t => {
    const files = '{"path":"a/1","size":1,"modified":2}\n{"path":"a/2","size":1,"modified":2}\n'
    t.throws(() => list(files + end), { code: 'CACHE_INVALID', message: /the list of x/ })
  })
}

test('a list of nothing at all is CACHE_INVALID', t => {
  t.throws(() => list(''), { code: 'CACHE_INVALID', message: /0 files without saying/ })
})

for (const line of [
  '',
  'a/1',
  'null',
  '[]',
  '{}',
  '{"path":"a/1","size":1}',
  '{"path":"a/1","size":-1,"modified":0}',
  '{"path":"a/1","size":1.5,"modified":0}',
  '{"path":"a/1","size":"1","modified":0}',
  '{"path":"a/../../etc/passwd","size":1,"modified":0}',
  '{"path":"b/1","size":1,"modified":0}',
  '{"path":"a/1","size":1,"modified":1e400}',
  `{"path":"a/1","size":1,"modified":0,"more":"${'x'.repeat(5000)}"}`,
  '{"path":"a/\xff","size":1,"modified":0}',
]) {
  test(`a list with the line ${JSON.stringify(line.slice(0, 60))} is CACHE_INVALID`, t => {
    const text = `{"path":"a/0","size":1,"modified":2}\n${line}\n{"files":2}\n`
    t.throws(() => list(text), { code: 'CACHE_INVALID', message: /line 2 of the list of x/ })
  })
}

test('whatever bytes a list has, what is taken from it is of the form', t => {
  const line = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .record({
        path: fc.constantFrom('a/1', 'a/../b', '/a', 'b/1'),
        size: fc.integer(),
        modified: fc.double(),
      })
      .map(file => JSON.stringify(file)),
  )
  const bytes = fc.oneof(
    fc.array(line).map(lines => Buffer.from([...lines, `{"files":${lines.length}}`].join('\n'))),
    fc.uint8Array().map(data => Buffer.from(data)),
  )
  fc.assert(
    fc.property(bytes, data => {
      try {
        for (const { path, size, modified } of filesIn(data, { prefix: 'a/', name: 'x' })) {
          if (path !== 'a/1' && !/^a\/[a-z0-9._/-]+$/.test(path)) return false
          if (!Number.isSafeInteger(size) || !Number.isSafeInteger(modified)) return false
        }
        return true
      } catch (error) {
        return (error as { code?: string }).code === 'CACHE_INVALID'
      }
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

test('however a body is cut into chunks, the same part of it is taken', t => {
  const cases = fc.record({
    body: fc.uint8Array({ maxLength: 60 }),
    cuts: fc.array(fc.nat(60)),
    offset: fc.nat(70),
    length: fc.nat(70),
    isAnnounced: fc.boolean(),
  })
  fc.assert(
    fc.property(cases, ({ body, cuts, offset, length, isAnnounced }) => {
      const size = isAnnounced ? body.length : undefined
      const taken = bodyOf({ offset, length, more: 'unwanted' }, { size, name: 'x' })
      const ends = [...cuts.filter(cut => cut < body.length).sort((a, b) => a - b), body.length]
      for (let i = 0, from = 0; i < ends.length; from = ends[i++] ?? 0) {
        if (taken.take(body.subarray(from, ends[i])) === 'enough') break
      }
      return Buffer.from(taken.bytes()).equals(body.subarray(offset, offset + length))
    }),
  )
  t.pass()
})

test('a body in chunks of a byte takes the memory of its bytes', t => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const inUse = (): number => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const bytes = 300_000
  const before = inUse()
  const taken = bodyOf(
    { offset: 0, length: 64 << 20, more: 'wrong' },
    { size: undefined, name: 'x' },
  )
  for (let at = 0; at < bytes; at++) taken.take(Buffer.from('x'))
  const growth = inUse() - before
  t.is(taken.bytes().length, bytes)
  t.true(growth < 5_000_000, `${growth}`)
})

test('no path leads out of a cache', t => {
  const part = fc.constantFrom('..', '.', '', 'a', '%2e%2e', '\\', '\0', '?', '#', 'é', '.a', 'A')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(part).map(parts => parts.join('/')),
      ),
      path => {
        if (!isPath(path)) return true
        const url = new URL(`http://a.example/cache/${path}`)
        return join('/cache', path) === `/cache/${path}` && url.pathname === `/cache/${path}`
      },
    ),
    { numRuns: 1000 },
  )
  t.pass()
})

// Waited for in tests that run alone: all share a process, with their servers.
const QUICK = { answer: 300, change: 300 }
// For what is asked again several times within it.
const FEW_SECONDS = { answer: 3000, change: 3000 }
const LONG = { answer: 60_000, change: 60_000 }

function list(text: string) {
  return filesIn(Buffer.from(text, 'latin1'), { prefix: 'a/', name: 'x' })
}

/** A server with these answers, or with `other` for what is not among them, and the storage at it. */
/** So much at that pace, whatever timers are late. */
function dripping({ bytes, aSecond }: { bytes: number; aSecond: number }): Handler {
  return (_, response) => {
    response.writeHead(200, { 'content-length': String(bytes) })
    const start = performance.now()
    let sent = 0
    const timer = setInterval(() => {
      const due = Math.min(bytes, Math.ceil(((performance.now() - start) / 1000) * aSecond))
      response.write('x'.repeat(due - sent))
      sent = due
      if (sent === bytes) response.end()
    }, 20)
    response.on('close', () => clearInterval(timer))
  }
}

async function storageOf(
  t: ExecutionContext,
  handlers: Record<string, Handler>,
  options: HttpOptions = {},
  other: Handler = status(404),
) {
  let connections = 0
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    const handler = handlers[request.url ?? ''] ?? other
    handler(request, response)
  })
  server.on('connection', () => connections++)
  const port = await listening(t, server)
  t.teardown(() => server.closeAllConnections())
  const base = `http://127.0.0.1:${port}`
  const storage = httpStorage(new URL(base), {}, { patience: LONG, ...options })
  t.teardown(() => storage.close())
  const read = () => storage.read('file', all)
  return { storage, read, base, requests, connections: () => connections }
}

function status(code: number, body = ''): Handler {
  return (_, response) => void response.writeHead(code).end(body)
}

function sends(body: string | Buffer, headers: Record<string, string> = {}): Handler {
  return (_, response) => {
    response.writeHead(200, { 'content-length': String(body.length), ...headers }).end(body)
  }
}

function afterBody(handler: Handler): Handler {
  return (request, response) => void request.on('end', () => handler(request, response)).resume()
}

function hangUp(request: IncomingMessage): void {
  request.socket.destroy()
}

function says(text: string): Handler {
  return (request: IncomingMessage, _: ServerResponse) => void request.socket.end(text)
}

/** Resolves in the turn after `isSo` first holds. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setImmediate(resolve))
}

async function listening(
  t: ExecutionContext,
  server: ReturnType<typeof createTcpServer>,
): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A proxy that lets through to that port whatever asks for a tunnel. */
async function tunnel(t: ExecutionContext, to: number) {
  const asked: string[] = []
  const server = createServer()
  server.on('connect', (request, client: Socket) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization']}`)
    const upstream = connect(to, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      client.pipe(upstream).pipe(client)
    })
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
  })
  return { port: await listening(t, server), asked }
}
