import { join } from 'node:path'
import test from 'ava'
import { openStorage } from '../../../store/cache/open-storage.ts'
import { directoryStorage } from '../../../store/cache/storages/directory.ts'
import { httpStorage } from '../../../store/cache/storages/http.ts'
import { memoryStorage } from '../../../store/cache/storages/memory.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { cacheServer, certificate } from '../../helpers/cache-server.ts'
import { memoryDirectory, tempDirectory } from '../../helpers/temp-store.ts'
import { testCacheStorage } from '../../suites/cache-storage.ts'

// The servers share this process with all else that is tested in it.
const patience = { answer: 60_000, change: 60_000 }

testCacheStorage('memory', () => memoryStorage())
testCacheStorage('directory', t => directoryStorage(nodeHost, join(memoryDirectory(t), 'cache')))
testCacheStorage('http', async t => {
  const { url } = await cacheServer(t, { token: 'secret' })
  return httpStorage(url, {}, { token: 'secret', patience })
})
testCacheStorage('https with HTTP/2', async t => {
  const { url } = await cacheServer(t, { token: 'secret', secure: true })
  return httpStorage(url, {}, { token: 'secret', ca: certificate, patience })
})

for (const [address, name] of [
  ['cache', '/work-directory/cache'],
  ['./a:b', '/work-directory/a:b'],
  ['../cache', '/cache'],
  ['/srv/cache', '/srv/cache'],
  ['file:///srv/cache%20two', '/srv/cache two'],
  ['http://cache.example:8080/', 'http://cache.example:8080'],
  ['https://cache.example/a/b/', 'https://cache.example/a/b'],
  ['HTTPS://Cache.Example/A', 'https://cache.example/A'],
] as const) {
  test(`${address} is opened as ${name}`, async t => {
    const storage = await open(address)
    t.teardown(() => storage.close())
    t.is(storage.name, name)
  })
}

for (const [address, message] of [
  ['', /is empty/],
  ['ftp://cache.example', /no cache is reached by ftp:/],
  ['localhost:8080', /no cache is reached by localhost:/],
  ['https://', /https cache is no URL/],
  ['https:cache.example', /https cache is no URL/],
  ['https://cache.example/?a=b', /has a query/],
  ['https://cache.example/#a', /has a query/],
  ['file://other/srv/cache', /names no directory of this machine/],
] as const) {
  test(`${JSON.stringify(address)} is refused as an address`, async t => {
    await t.throwsAsync(open(address), { code: 'BAD_ARGUMENT', message })
  })
}

test('an unknown scheme is answered with those that are known', async t => {
  const error = await t.throwsAsync(open('gs://bucket'), { code: 'BAD_ARGUMENT' })
  t.regex(
    (error as { hint?: string }).hint ?? '',
    /file:\/\/, http:\/\/, https:\/\/, s3:\/\/, oci:/,
  )
})

for (const address of [
  'https://me:secret@cache.example',
  'http://secret@cache.example',
  's3://me:secret@bucket',
  'oci://me:secret@registry.example/name',
]) {
  test(`credentials in ${address} are refused, not repeated, and the hint says where they go`, async t => {
    const error = await t.throwsAsync(open(address), { code: 'BAD_ARGUMENT' })
    const { message, hint = '' } = error as { message: string; hint?: string }
    t.regex(message, /holds credentials/)
    t.notRegex(message + hint, /secret/)
    t.regex(hint, /MIXOS_CACHE_TOKEN|AWS_ACCESS_KEY_ID|docker login/)
  })
}

test('a token that could not be sent is refused', async t => {
  const open = openStorage('http://a.example', { ...options, token: 'a\nb' })
  await t.throwsAsync(open, { code: 'SETTINGS_INVALID', message: /token/ })
})

test('a storage that was never used is closed without more', async t => {
  for (const address of [tempDirectory(t), 'http://cache.example']) {
    const storage = await open(address)
    await t.notThrowsAsync(storage.close())
  }
})

const options = { host: nodeHost, env: {}, directory: '/work-directory' }

function open(address: string) {
  return openStorage(address, options)
}
