import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Place, place } from '../helpers/run-cli.ts'

const INFO = '{"format":"mixos-cache-1","store":"/mix/store"}\n'

test('with --verbose each request is a line, and no warning', async t => {
  const { url, said, end } = await serving(t, withCache(t), '--verbose')
  t.is((await fetch(`${url}/mixos-cache.json`)).status, 200)
  t.is((await fetch(`${url}/other`)).status, 404)
  await end()
  t.regex(said(), new RegExp(`^GET /mixos-cache.json: 200, ${INFO.length} bytes$`, 'm'))
  t.regex(said(), /^GET \/other: 404, /m)
  t.notRegex(said(), /warning/)
})

test('an empty token is none, as for a push', async t => {
  const { url, said, end } = await serving(t, withCache(t, { MIXOS_CACHE_TOKEN: '' }))
  t.is((await fetch(`${url}/mixos-cache.json`, { method: 'DELETE' })).status, 405)
  await end()
  t.regex(said(), /\(read only\)/)
})

for (const [token, message] of [
  ['with spaces in it, but long', /^error: MIXOS_CACHE_TOKEN: a token is printable characters/],
  ['short', /fewer than 16\nhint: .*MIXOS_CACHE_TOKEN/],
] as const) {
  test(`a token that is ${token} is refused with the variable that holds it`, async t => {
    const { code, stderr } = await withCache(t, { MIXOS_CACHE_TOKEN: token }).mixos(
      ...['cache', 'serve', 'cache', '--port', '0'],
    )
    t.is(code, 1, stderr)
    t.regex(stderr, message)
  })
}

test('a token that cannot be sent is named by its variable, also to who writes', async t => {
  const user = withCache(t, { MIXOS_CACHE_TOKEN: 'with spaces' })
  const { code, stderr } = await user.mixos('cache', 'verify', 'http://localhost:1')
  t.is(code, 1, stderr)
  t.regex(stderr, /^error: MIXOS_CACHE_TOKEN: a token is printable characters without spaces\n/)
})

test('so many connections may come from one address', async t => {
  const { url, end } = await serving(t, withCache(t), '--connections', '2')
  const connection = async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  const first = await connection()
  const gone = once(first, 'close')
  const second = await connection()
  t.false(first.destroyed)
  await connection()
  await gone
  t.false(second.destroyed)
  await end()
})

test('the examples of --help do not send a token in clear over the network', async t => {
  const { stdout } = await place(t).mixos('cache', 'serve', '--help')
  const examples = stdout.split('\n').filter(line => line.includes('MIXOS_CACHE_TOKEN='))
  t.true(examples.length > 0)
  for (const line of examples) t.regex(line, /--tls-key/)
})

function withCache(t: ExecutionContext, environment: Readonly<Record<string, string>> = {}): Place {
  const user = place(t, { environment })
  mkdirSync(join(user.directory, 'cache'))
  writeFileSync(join(user.directory, 'cache', 'mixos-cache.json'), INFO)
  return user
}

/** A server that goes with the test. */
async function serving(t: ExecutionContext, user: Place, ...args: string[]) {
  const { process, result } = user.start('cache', 'serve', 'cache', '--port', '0', ...args)
  t.teardown(() => process.kill())
  const started = Promise.withResolvers<string>()
  let text = ''
  process.stderr?.on('data', chunk => {
    text += chunk
    const [, url] = /serving (\S+) \(/.exec(text) ?? []
    if (url) started.resolve(url)
  })
  const end = async (): Promise<void> => {
    process.kill('SIGINT')
    await result
  }
  const ended = result.then(({ stderr }) => Promise.reject(new Error(stderr)))
  return { url: await Promise.race([started.promise, ended]), said: () => text, end }
}
