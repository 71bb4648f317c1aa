import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { WritableStorage } from '../../store/cache/storage.ts'
import { dockerLogin } from '../../store/cache/storages/docker-credentials.ts'
import { ociStorage } from '../../store/cache/storages/oci.ts'
import { parseOciAddress } from '../../store/cache/storages/oci-address.ts'
import { parseManifest } from '../../store/cache/storages/oci-manifest.ts'
import type { RepositoryOptions } from '../../store/cache/storages/oci-repository.ts'
import { pathOfTag, tagOf } from '../../store/cache/storages/oci-tag.ts'
import { registryLogin } from '../../store/cache/storages/registry-login.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { type RealServer, startNginx, startRegistry } from '../helpers/cache-servers.ts'
import { file, noise, redirect, serve, sha256 } from '../helpers/http-server.ts'
import { tempDirectory, writeTree } from '../helpers/temp-store.ts'
import { identityToken, issuerCertificate, tokenServer } from '../helpers/token-server.ts'
import { testCacheStorage } from '../suites/cache-storage.ts'

const signal = new AbortController().signal
const all = { signal, limit: 1_000_000 }
// The machine may be busy.
const patience = { answer: 30_000, change: 60_000 }

let registry: RealServer
let repositories = 0
test.before(async () => {
  registry = await startRegistry()
})
test.after.always(() => registry?.stop())

const fresh = () => `team/cache-${repositories++}`

testCacheStorage('oci', () => storageOf(registry, fresh()))

test('a pack of 64 MiB is written and read, and not sent again', async t => {
  const storage = await opened(t, registry)
  const pack = Buffer.alloc(64 * 2 ** 20, noise(1_000_003))
  await storage.write('pack/a.pack', pack, { signal })
  await storage.write('pack/b.pack', pack, { signal })
  const read = await storage.read('pack/b.pack', { signal, limit: pack.length })
  t.true(pack.equals(read as Uint8Array))
})

test('two files of the same bytes are two files: one is removed and the other stays', async t => {
  const storage = await opened(t, registry)
  for (const path of ['a/one', 'a/two']) await storage.write(path, noise(100), { signal })
  await storage.remove('a/one', { signal })
  t.false(await storage.has('a/one', { signal }))
  t.true(await storage.has('a/two', { signal }))
  t.deepEqual(Buffer.from((await storage.read('a/two', all)) ?? ''), noise(100))
})

test('what another one replaced or removed is seen at once', async t => {
  const repository = fresh()
  const mine = await opened(t, registry, repository)
  const theirs = await opened(t, registry, repository)
  await mine.write('a', Buffer.from('old'), { signal })
  await theirs.write('a', Buffer.from('new'), { signal })
  t.is(String(await mine.read('a', all)), 'new')
  await theirs.remove('a', { signal })
  t.false(await mine.has('a', { signal }))
  t.is(await mine.read('a', all), undefined)
})

test('the time of a file is when it was written', async t => {
  const host = { ...nodeHost, now: () => Date.UTC(2026, 0, 2, 3, 4, 5) }
  const storage = await opened(t, registry, fresh(), { host })
  await storage.write('a', noise(3), { signal })
  const found = await Array.fromAsync(storage.list('', { signal }))
  t.deepEqual(found, [{ path: 'a', size: 3, modified: host.now() }])
})

test('bytes that another one changed in the registry are CACHE_INVALID', async t => {
  const own = await startRegistry()
  t.teardown(own.stop)
  const storage = await opened(t, own)
  await storage.write('object/a.json', noise(1000), { signal })
  const digest = sha256(noise(1000)).slice('sha256:'.length)
  const blob = join(
    own.directory,
    'data/docker/registry/v2/blobs/sha256',
    digest.slice(0, 2),
    digest,
    'data',
  )
  writeFileSync(blob, Buffer.concat([noise(999), Buffer.from('!')]))
  await t.throwsAsync(storage.read('object/a.json', all), {
    code: 'CACHE_INVALID',
    message: /expected sha256:[0-9a-f]+ got sha256:[0-9a-f]+/,
  })
})

test('a registry that deletes nothing is CACHE_READ_ONLY for removal, with a hint', async t => {
  const keeping = await startRegistry({ storage: { delete: { enabled: false } } })
  t.teardown(keeping.stop)
  const storage = await opened(t, keeping)
  await storage.write('a', noise(10), { signal })
  const error = await t.throwsAsync(storage.remove('a', { signal }), { code: 'CACHE_READ_ONLY' })
  t.regex((error as { hint?: string }).hint ?? '', /delet/)
})

test('a registry that takes nothing is CACHE_READ_ONLY for writing', async t => {
  const readonly = { readonly: { enabled: true } }
  const still = await startRegistry({ storage: { maintenance: readonly } })
  t.teardown(still.stop)
  const storage = await opened(t, still)
  t.is(await storage.read('a', all), undefined)
  await t.throwsAsync(storage.write('a', noise(10), { signal }), { code: 'CACHE_READ_ONLY' })
})

test('a web server that is no registry is CACHE_UNAVAILABLE, not an empty cache', async t => {
  const web = await startNginx()
  t.teardown(web.stop)
  const storage = await opened(t, web)
  const error = { code: 'CACHE_UNAVAILABLE', message: /no registry/ }
  await t.throwsAsync(storage.read('a', all), error)
  await t.throwsAsync(storage.has('a', { signal }), error)
  await t.throwsAsync(Array.fromAsync(storage.list('', { signal })), { code: 'CACHE_UNAVAILABLE' })
})

test('a registry that is not there is CACHE_UNAVAILABLE', async t => {
  const storage = await ociStorage(new URL('oci://127.0.0.1:9/x'), { host: nodeHost, env: {} })
  t.teardown(() => storage.close())
  await t.throwsAsync(storage.read('a', all), { code: 'CACHE_UNAVAILABLE' })
  await t.throwsAsync(storage.write('a', noise(1), { signal }), { code: 'CACHE_UNAVAILABLE' })
})

// bcrypt of "secret", with the least cost.
const HTPASSWD = 'me:$2a$04$6OY08T0FM0cTBXDdYl7sAuy7yIh2/a4iHRD5hbHwsnYrxMZuhrgb6\n'

test('Basic credentials are those of docker login; without them or with wrong ones it is CACHE_DENIED', async t => {
  const path = join(tempDirectory(t), 'htpasswd')
  writeFileSync(path, HTPASSWD)
  const guarded = await startRegistry({ auth: { htpasswd: { realm: 'cache', path } } })
  t.teardown(guarded.stop)
  const repository = fresh()
  const as = (login?: string) =>
    opened(t, guarded, repository, { env: dockerHome(t, guarded, login) })

  const storage = await as('me:secret')
  await storage.write('a', noise(10), { signal })
  t.deepEqual(Buffer.from((await storage.read('a', all)) ?? ''), noise(10))
  await storage.remove('a', { signal })
  for (const login of ['me:wrong', 'nobody:secret', undefined]) {
    const other = await as(login)
    for (const action of [
      other.read('a', all),
      other.has('a', { signal }),
      other.write('a', noise(10), { signal }),
      other.remove('a', { signal }),
      Array.fromAsync(other.list('', { signal })),
    ]) {
      const error = await t.throwsAsync(action, { code: 'CACHE_DENIED' })
      t.regex((error as { hint?: string }).hint ?? '', /^docker login 127\.0\.0\.1:\d+$/)
    }
  }
})

test('a token is fetched from the service that the registry names, once for each right', async t => {
  const { guarded, asked } = await withTokens(t)
  const repository = fresh()
  const env = dockerHome(t, guarded, 'me:secret')
  const storage = await opened(t, guarded, repository, { env })
  await storage.write('a', noise(10), { signal })
  await Promise.all(Array.from({ length: 20 }, (_, i) => storage.has(`b${i}`, { signal })))
  t.deepEqual(Buffer.from((await storage.read('a', all)) ?? ''), noise(10))
  await storage.remove('a', { signal })
  t.true(asked.length <= 5, asked.join('\n'))
  t.true(asked.every(question => question.startsWith('me:secret cache ')))
  // In whatever order the registry has them.
  const toPush = new RegExp(` repository:${repository}:(pull,push|push,pull)$`)
  t.true(asked.some(question => toPush.test(question)))
})

test('an identity token is as good as a password where tokens come from', async t => {
  const { guarded, asked } = await withTokens(t)
  const auths = { [`127.0.0.1:${guarded.port}`]: { identitytoken: identityToken } }
  const storage = await opened(t, guarded, fresh(), { env: dockerConfig(t, { auths }) })
  await storage.write('a', noise(10), { signal })
  t.deepEqual(Buffer.from((await storage.read('a', all)) ?? ''), noise(10))
  t.true(asked.every(question => question.startsWith('me:secret cache ')))
})

test('who gets no token, or one without the right, is CACHE_DENIED', async t => {
  const { guarded } = await withTokens(t)
  const repository = fresh()
  const wrong = await opened(t, guarded, repository, { env: dockerHome(t, guarded, 'me:wrong') })
  await t.throwsAsync(wrong.read('a', all), { code: 'CACHE_DENIED' })
  const anonymous = await opened(t, guarded, repository, { env: {} })
  t.is(await anonymous.read('a', all), undefined)
  await t.throwsAsync(anonymous.write('a', noise(10), { signal }), { code: 'CACHE_DENIED' })
})

test('a blob that is kept elsewhere is fetched there, without what lets into the registry', async t => {
  const content = noise(5000)
  const seen: unknown[] = []
  const elsewhere = await serve(t, {
    '/blob?signature=x': (request, response) => {
      seen.push(request.headers.authorization)
      file(content)(request, response)
    },
  })
  const layer = { mediaType: 'application/vnd.mixos.cache.v1', digest: sha256(content), size: 5000 }
  const front = await serve(t, {
    '/v2/x/manifests/a': (request, response) => {
      if (!request.headers.authorization) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
      } else response.end(JSON.stringify({ layers: [layer] }))
    },
    [`/v2/x/blobs/${sha256(content)}`]: redirect(`${elsewhere.base}/blob?signature=x`),
  })
  const server = { base: front.base, port: Number(new URL(front.base).port) }
  const storage = await opened(t, server, 'x', { env: dockerHome(t, server, 'me:secret') })
  t.deepEqual(Buffer.from((await storage.read('a', all)) ?? ''), content)
  t.deepEqual(seen, [undefined])
})

test('a registry with TLS may not send the password to a service without', async t => {
  const challenge = 'Bearer realm="http://token.example/",service="x"'
  const address = parseOciAddress(new URL('oci://registry.example/x'))
  const client = {
    send: () => Promise.reject(new Error('it was asked')),
    close: async () => undefined,
  }
  const login = registryLogin(address, {
    client,
    now: () => 0,
    login: async () => ({ user: 'me', password: 'secret' }),
  })
  const refusal = { status: 401, headers: { 'www-authenticate': challenge }, data: Buffer.alloc(0) }
  const renewal = login.renew(refusal, { right: 'pull', sent: undefined, signal })
  await t.throwsAsync(renewal, { code: 'CACHE_UNAVAILABLE', message: /token\.example/ })
})

test('the paths of a cache are tags, and every tag is of one path', t => {
  const trace = `trace/${'0a'.repeat(32)}/${'1b'.repeat(16)}.json`
  t.is(tagOf('mixos-cache.json'), 'mixos_-cache.json')
  t.is(tagOf(trace), trace.replaceAll('/', '-'))
  for (const path of [
    'mixos-cache.json',
    trace,
    'a/-b',
    'a-/b',
    'a--b',
    'a_-b',
    '-',
    '_',
    '_/-_',
  ]) {
    t.regex(tagOf(path), /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/)
    t.is(pathOfTag(tagOf(path)), path)
  }
  for (const tag of ['a_b', '_', `${'a'.repeat(126)}_b`, 'a'.repeat(129)]) {
    t.is(pathOfTag(tag), undefined)
  }
  t.throws(() => tagOf('a'.repeat(129)), { message: /129/ })
})

test('no two paths share a tag', t => {
  const part = fc.stringMatching(/^[a-z0-9_-][a-z0-9._-]{0,8}$/)
  const path = fc.array(part, { minLength: 1, maxLength: 5 }).map(parts => parts.join('/'))
  fc.assert(
    fc.property(path, path, (a, b) => {
      t.is(pathOfTag(tagOf(a)), a)
      t.is(tagOf(a) === tagOf(b), a === b)
      t.regex(tagOf(a), /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/)
    }),
  )
})

test('any tag is refused or is the tag of its path', t => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,12}$/), tag => {
      const path = pathOfTag(tag)
      if (path !== undefined) t.is(tagOf(path), tag)
    }),
  )
})

test('what is no manifest of one file is CACHE_INVALID', t => {
  const layer = { mediaType: 'application/vnd.mixos.cache.v1', digest: sha256(noise(1)), size: 1 }
  const asked = { name: 'oci://x/y', path: 'a' }
  const parse = (value: unknown) => parseManifest(Buffer.from(JSON.stringify(value) ?? ''), asked)
  t.deepEqual(parse({ layers: [layer] }), { digest: layer.digest, size: 1, modified: 0 })
  for (const bad of [
    undefined,
    null,
    [],
    { layers: [] },
    { layers: [layer, layer] },
    { layers: [{ ...layer, mediaType: 'application/vnd.oci.image.layer.v1.tar' }] },
    { layers: [{ ...layer, digest: 'sha256:../../x' }] },
    { layers: [{ ...layer, size: -1 }] },
    { layers: [{ ...layer, size: '1' }] },
    { layers: [null] },
  ]) {
    t.throws(() => parse(bad), { code: 'CACHE_INVALID' }, JSON.stringify(bad))
  }
})

test('an address is reached over TLS except on this machine or where it says so', t => {
  const base = (url: string) => parseOciAddress(new URL(url)).base.href
  t.is(base('oci://registry.example/team/cache'), 'https://registry.example/v2/')
  t.is(base('oci://registry.example:5000/a?insecure=true'), 'http://registry.example:5000/v2/')
  t.is(base('oci://localhost:5000/a'), 'http://localhost:5000/v2/')
  t.is(base('oci://127.0.0.1:5000/a?insecure=false'), 'https://127.0.0.1:5000/v2/')
  t.is(parseOciAddress(new URL('oci://x.example/a/b-c/')).repository, 'a/b-c')
})

for (const url of [
  'oci://x',
  'oci://x/',
  'oci://x/UPPER',
  'oci://x/a..b',
  'oci://x/a/../b/%2e%2e/c d',
  'oci://me:secret@x/a',
  'oci://x/a?insecure=yes',
  'oci://x/a?tag=b',
  'oci:///a',
]) {
  test(`${url} is BAD_ARGUMENT, without what is secret in it`, t => {
    const error = t.throws(() => parseOciAddress(new URL(url)), { code: 'BAD_ARGUMENT' })
    t.notRegex(String(error?.message), /secret/)
  })
}

test('a login is found under the host or its address, with its password in either form', async t => {
  const auth = Buffer.from('me:se:cret').toString('base64')
  const env = dockerConfig(t, {
    auths: {
      'a.example': { auth },
      'https://b.example/v1/': { auth },
      'c.example:5000': { username: 'you', password: 'p' },
      'd.example': {},
      'e.example': { auth: '!' },
    },
  })
  const of = (registry: string) => dockerLogin(nodeHost, { host: registry, repository: 'x' }, env)
  t.deepEqual(await of('a.example'), { user: 'me', password: 'se:cret' })
  t.deepEqual(await of('b.example'), { user: 'me', password: 'se:cret' })
  t.deepEqual(await of('c.example:5000'), { user: 'you', password: 'p' })
  for (const registry of ['c.example', 'd.example', 'e.example', 'toString']) {
    t.is(await of(registry), undefined, registry)
  }
  t.is(await dockerLogin(nodeHost, A, {}), undefined)
  t.is(await dockerLogin(nodeHost, A, { HOME: tempDirectory(t) }), undefined)
})

test('a login may come from a helper; one that fails is CACHE_DENIED', async t => {
  const bin = writeTree(join(tempDirectory(t), 'bin'), {
    'docker-credential-good': {
      executable:
        '#!/bin/sh\nread host\necho "{\\"Username\\":\\"me\\",\\"Secret\\":\\"$1 $host\\"}"\n',
    },
    'docker-credential-bad': { executable: '#!/bin/sh\necho locked\nexit 1\n' },
    'docker-credential-empty': {
      executable: '#!/bin/sh\necho "credentials not found in native keychain"\nexit 1\n',
    },
  })
  const login = (config: object) =>
    dockerLogin(
      nodeHost,
      { host: 'r.example', repository: 'x' },
      {
        ...dockerConfig(t, config),
        PATH: `${bin}:${process.env.PATH}`,
      },
    )
  const mine = { user: 'me', password: 'get r.example' }
  t.deepEqual(await login({ credsStore: 'good' }), mine)
  t.deepEqual(await login({ credsStore: 'bad', credHelpers: { 'r.example': 'good' } }), mine)
  t.is(await login({ credsStore: 'empty' }), undefined)
  const denied = { code: 'CACHE_DENIED' }
  await t.throwsAsync(login({ credsStore: 'bad' }), { ...denied, message: /locked/ })
  await t.throwsAsync(login({ credsStore: 'absent' }), denied)
  await t.throwsAsync(login({ credsStore: '../../bin/sh' }), { ...denied, message: /no name/ })
})

test('a Docker configuration that is none is CACHE_DENIED and named', async t => {
  const env = dockerConfig(t, [])
  const error = { code: 'CACHE_DENIED', message: /config\.json/ }
  await t.throwsAsync(dockerLogin(nodeHost, A, env), error)
})

const A = { host: 'a.example', repository: 'x' }

type Addressed = Pick<RealServer, 'base' | 'port'>

function storageOf(
  server: Addressed,
  repository: string,
  changes: Partial<RepositoryOptions> = {},
): Promise<WritableStorage> {
  const url = new URL(`oci://127.0.0.1:${server.port}/${repository}`)
  return ociStorage(url, { host: nodeHost, env: {}, patience, ...changes })
}

async function opened(
  t: ExecutionContext,
  server: Addressed,
  repository = fresh(),
  changes: Partial<RepositoryOptions> = {},
) {
  const storage = await storageOf(server, repository, changes)
  t.teardown(() => storage.close())
  return storage
}

/** What docker login leaves for that server. */
function dockerHome(t: ExecutionContext, { port }: Addressed, login?: string) {
  const auth = { auth: Buffer.from(login ?? '').toString('base64') }
  return dockerConfig(t, { auths: login === undefined ? {} : { [`127.0.0.1:${port}`]: auth } })
}

function dockerConfig(t: ExecutionContext, config: object): { DOCKER_CONFIG: string } {
  const directory = join(tempDirectory(t), 'docker')
  mkdirSync(directory)
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config))
  return { DOCKER_CONFIG: directory }
}

/** A registry that wants tokens, and what its service was asked for. */
async function withTokens(t: ExecutionContext) {
  const { url: realm, asked } = await tokenServer(t)
  const rootcertbundle = join(tempDirectory(t), 'issuer.pem')
  writeFileSync(rootcertbundle, issuerCertificate)
  const token = { realm, service: 'cache', issuer: 'tests', rootcertbundle }
  const guarded = await startRegistry({ auth: { token } })
  t.teardown(guarded.stop)
  return { guarded, asked }
}
