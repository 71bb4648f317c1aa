import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { httpStorage } from '../../../store/cache/storages/http.ts'
import type { Environment } from '../../../store/cache/storages/http-client.ts'

const { signal } = new AbortController()

test('an http:// address of a server that closes is asked whether it is one of HTTPS', async t => {
  const closing = createTcpServer(socket => socket.once('data', () => socket.end()))
  const { message, hint } = await failureAt(t, `http://127.0.0.1:${await listening(t, closing)}`)
  t.regex(message, /other side closed/)
  t.regex(hint, /write https:\/\//)
})

test('so is one of a web server that calls it a bad request', async t => {
  const server = createServer((_, response) => response.writeHead(400).end('plain HTTP'))
  const { message, hint } = await failureAt(t, `http://127.0.0.1:${await listening(t, server)}`)
  t.regex(message, /HTTP status 400/)
  t.regex(hint, /write https:\/\//)
})

for (const scheme of ['http', 'https']) {
  test(`a proxy for ${scheme} that is down is named, and not the server of the cache`, async t => {
    const env = { [`${scheme}_proxy`]: 'http://me:secret@127.0.0.1:1' }
    const { message, hint } = await failureAt(t, `${scheme}://a.example`, env)
    t.regex(hint, /the proxy http:\/\/127\.0\.0\.1:1/)
    t.notRegex(message + hint, /secret|does its server run/)
  })
}

test('a proxy whose name is unknown is named', async t => {
  const env = { http_proxy: 'http://proxy.invalid:3128' }
  const { hint } = await failureAt(t, 'http://127.0.0.1:1', env)
  t.regex(hint, /the proxy http:\/\/proxy\.invalid:3128/)
})

test('a server that is down is not taken for the proxy that is not asked for it', async t => {
  const env = { http_proxy: 'http://127.0.0.1:3128', no_proxy: '127.0.0.1' }
  const { hint } = await failureAt(t, 'http://127.0.0.1:1', env)
  t.regex(hint, /does its server run/)
})

async function failureAt(t: ExecutionContext, address: string, env: Environment = {}) {
  const storage = httpStorage(new URL(address), env, {
    patience: { answer: 30_000, change: 30_000 },
  })
  t.teardown(() => storage.close())
  const error = await t.throwsAsync(storage.read('a', { signal, limit: 10 }), {
    code: 'CACHE_UNAVAILABLE',
  })
  const { message = '', hint = '' } = error as { message?: string; hint?: string }
  return { message, hint }
}

async function listening(t: ExecutionContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}
