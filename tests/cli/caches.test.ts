import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openToRead } from '../../cli/caches.ts'
import type { CacheSetting } from '../../store/cache/settings.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { cacheServer, certificate } from '../helpers/cache-server.ts'
import { place } from '../helpers/run-cli.ts'
import { tempDirectory } from '../helpers/temp-store.ts'

const FILE = ['-f', 'mine.ts']
const RECIPE = `
import { textFiles } from 'mixos'
export const greeting = textFiles({ name: 'greeting', version: '1', files: { text: 'hello' } })
`
const INFO = '{"format":"mixos-cache-1","store":"/mix/store"}\n'
const { signal } = new AbortController()

test.serial(
  'the token of MIXOS_CACHE_TOKEN goes to the cache that is written to, and to none that is asked',
  async t => {
    const [target, stranger] = [await listening(t), await listening(t)]
    const alice = place(t, { environment: { MIXOS_CACHE_TOKEN: 'the-token-of-alice' } })
    writeFileSync(join(alice.directory, 'mine.ts'), RECIPE)
    const key = (await alice.mixos('cache', 'keygen', 'alice')).stdout.trim()
    await alice.mixos('cache', 'trust', 'add', key)
    const asked = ['--cache', target.address, '--cache', stranger.address]
    t.regex((await alice.mixos('cache', 'info', ...asked)).stdout, /answers(.|\n)*answers/)
    t.is((await alice.mixos('realize', 'greeting', ...FILE, ...asked)).code, 0)
    t.deepEqual([[...target.tokens], [...stranger.tokens]], [[undefined], [undefined]])

    t.is((await alice.mixos('cache', 'push', 'greeting', ...FILE, '--to', target.address)).code, 0)
    t.true(target.tokens.has('Bearer the-token-of-alice'))
    t.deepEqual([...stranger.tokens], [undefined])
  },
)

test.serial(
  'a cache that wants a token to be read gets the one whose variable the settings name, and no other cache does',
  async t => {
    const [team, stranger] = [await listening(t, 'Bearer of-the-team'), await listening(t)]
    const environment = { MIXOS_CACHE_TOKEN: 'another-token', TEAM_TOKEN: 'of-the-team' }
    const bob = place(t, { environment })
    writeFileSync(join(bob.directory, 'mine.ts'), RECIPE)
    const key = (await bob.mixos('cache', 'keygen', 'bob')).stdout.trim()
    mkdirSync(join(bob.config, 'mixos'), { recursive: true })
    const file = join(bob.config, 'mixos', 'caches.json')
    const caches = [{ url: team.address, tokenVariable: 'TEAM_TOKEN' }, { url: stranger.address }]
    writeFileSync(file, JSON.stringify({ keys: [key], caches }))
    t.regex((await bob.mixos('cache', 'info')).stdout, /answers(.|\n)*answers/)
    t.is((await bob.mixos('realize', 'greeting', ...FILE)).code, 0)
    t.deepEqual([...team.tokens], ['Bearer of-the-team'])
    t.deepEqual([...stranger.tokens], [undefined])
    await bob.mixos('cache', 'trust', 'remove', 'bob')
    t.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { keys: [], caches })
  },
)

test.serial('a token that is missing or wrong is told with the variable that holds it', async t => {
  const { address } = await listening(t, 'Bearer of-the-team')
  const named = { address, source: 'user', tokenVariable: 'TEAM_TOKEN' } as const
  await t.throwsAsync(reading(t, named), { code: 'CACHE_DENIED', message: /TEAM_TOKEN is not set/ })
  const wrong = await t.throwsAsync(reading(t, named, { TEAM_TOKEN: 'wrong' }))
  t.like(wrong, { code: 'CACHE_DENIED', hint: 'correct the token in TEAM_TOKEN' })
  const unnamed = await t.throwsAsync(reading(t, { address, source: 'user' }))
  t.like(unnamed, { code: 'CACHE_DENIED' })
  t.regex(String(unnamed && 'hint' in unnamed && unnamed.hint), /caches\.json.*"tokenVariable"/)
})

test.serial(
  'a cache of a project gets no credentials, and the hint says where to name it',
  async t => {
    const { address, tokens } = await listening(t, 'Bearer any')
    const environment = {
      MIXOS_CACHE_TOKEN: 'any',
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
    }
    const web = await t.throwsAsync(reading(t, { address, source: 'project' }, environment))
    t.like(web, { code: 'CACHE_DENIED' })
    t.regex(String(web && 'hint' in web && web.hint), /name it in your own caches\.json/)
    const bucket = `s3://bucket?endpoint=${encodeURIComponent(new URL(address).origin)}`
    const denied = await t.throwsAsync(
      reading(t, { address: bucket, source: 'project' }, environment),
    )
    t.like(denied, { code: 'CACHE_DENIED' })
    t.regex(String(denied && 'hint' in denied && denied.hint), /caches\.json, or with --cache/)
    t.deepEqual([...tokens], [undefined])
  },
)

test.serial('a web server and a bucket are known by the certificate of MIXOS_CACHE_CA', async t => {
  const { url, files } = await cacheServer(t, { secure: true })
  files.set('mixos-cache.json', Buffer.from(INFO))
  const authority = join(tempDirectory(t), 'authority.pem')
  writeFileSync(authority, certificate)
  const readFrom = (address: string): Promise<Buffer> =>
    reading(t, { address, source: 'project' }, { MIXOS_CACHE_CA: authority })

  t.is(String(await readFrom(url.href)), INFO)
  t.is(String(await readFrom(`s3://cache?endpoint=${encodeURIComponent(url.origin)}`)), INFO)
})

/** Reads the first file of a cache. */
async function reading(
  t: ExecutionContext,
  setting: Pick<CacheSetting, 'address' | 'source' | 'tokenVariable'>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Buffer> {
  const context = { environment, directory: '/' }
  const storage = await openToRead(context, { host: nodeHost }, setting)
  t.teardown(() => storage.close())
  const data = await storage.read('mixos-cache.json', { signal, limit: 1000 })
  return Buffer.from(data ?? [])
}

/** An empty cache, and every Authorization header that came to it. Reading may need one. */
async function listening(
  t: ExecutionContext,
  needed?: string,
): Promise<{ address: string; tokens: Set<string | undefined> }> {
  const tokens = new Set<string | undefined>()
  const files = new Map([['/mixos-cache.json', Buffer.from(INFO)]])
  const server = createServer(async (request, response) => {
    const { method, url = '', headers } = request
    tokens.add(headers.authorization)
    if (needed !== undefined && headers.authorization !== needed) {
      response.writeHead(403).end()
    } else if (method === 'PUT') {
      files.set(url, Buffer.concat(await Array.fromAsync(request)))
      response.writeHead(204).end()
    } else if (files.has(url)) response.end(method === 'HEAD' ? undefined : files.get(url))
    else response.writeHead(404).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { address: `http://127.0.0.1:${port}`, tokens }
}
