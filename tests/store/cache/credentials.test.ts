import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { awsCredentials } from '../../../store/cache/storages/aws-credentials.ts'
import { awsEnvironment } from '../../../store/cache/storages/aws-profile.ts'
import { dockerLogin } from '../../../store/cache/storages/docker-credentials.ts'
import type { Environment } from '../../../store/cache/storages/http-client.ts'
import { parseOciAddress } from '../../../store/cache/storages/oci-address.ts'
import { registryLogin } from '../../../store/cache/storages/registry-login.ts'
import { s3Storage } from '../../../store/cache/storages/s3.ts'
import { parseS3Address } from '../../../store/cache/storages/s3-address.ts'
import type { WebRequest } from '../../../store/cache/storages/web-client.ts'
import type { Files } from '../../../store/host.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

/** What makes a file of credentials unreadable at a path. Who runs the tests may read all files, so some refuse here. */
const OBSTACLES: Readonly<Record<string, (path: string) => Files>> = {
  EISDIR: path => {
    mkdirSync(path)
    return nodeHost.files
  },
  ELOOP: path => {
    symlinkSync(path, path)
    return nodeHost.files
  },
  EACCES: refusing('EACCES'),
  EPERM: refusing('EPERM'),
}

for (const [code, obstacle] of Object.entries(OBSTACLES)) {
  test(`a file of credentials that gives ${code} is CACHE_DENIED and named`, async t => {
    const [docker, aws] = [tempDirectory(t), tempDirectory(t)]
    const login = join(docker, 'config.json')
    const files = obstacle(login)
    await t.throwsAsync(dockerLogin({ ...nodeHost, files }, A, { DOCKER_CONFIG: docker }), {
      code: 'CACHE_DENIED',
      message: new RegExp(login),
    })
    const keys = join(aws, 'credentials')
    const host = { ...nodeHost, files: obstacle(keys) }
    t.throws(() => awsCredentials(host, { AWS_SHARED_CREDENTIALS_FILE: keys }), {
      code: 'CACHE_DENIED',
      message: new RegExp(keys),
    })
  })
}

function refusing(code: string): (path: string) => Files {
  return path => ({
    ...nodeHost.files,
    read: () => {
      throw Object.assign(new Error(`${code}: not permitted, open`), { code, path })
    },
  })
}

const HUB_NAMES = ['', 'index.', 'registry-1.'].map(part => `${part}docker.io`)

for (const host of HUB_NAMES) {
  test(`${host} is Docker Hub: its API is elsewhere, and its login where docker login writes it`, async t => {
    const address = parseOciAddress(new URL(`oci://${host}/team/cache`))
    t.is(address.base.href, 'https://index.docker.io/v2/')
    for (const key of ['https://index.docker.io/v1/', ...HUB_NAMES]) {
      const env = { DOCKER_CONFIG: configured(t, { 'config.json': { auths: { [key]: ME } } }) }
      t.deepEqual(await dockerLogin(nodeHost, address, env), { user: 'me', password: 'secret' })
    }
  })
}

test('a helper is asked for Docker Hub by the name that docker login tells it', async t => {
  const bin = tempDirectory(t)
  const answer = '{\\"Username\\":\\"me\\",\\"Secret\\":\\"$host\\"}'
  writeFileSync(join(bin, 'docker-credential-echo'), `#!/bin/sh\nread host\necho "${answer}"\n`, {
    mode: 0o755,
  })
  const address = parseOciAddress(new URL('oci://docker.io/team/cache'))
  const helpers = [
    { credsStore: 'echo' },
    { credHelpers: { 'https://index.docker.io/v1/': 'echo' } },
    { credHelpers: { 'docker.io': 'echo' } },
  ]
  for (const config of helpers) {
    const env = {
      DOCKER_CONFIG: configured(t, { 'config.json': config }),
      PATH: `${bin}:${process.env.PATH}`,
    }
    const login = await dockerLogin(nodeHost, address, env)
    t.deepEqual(login, { user: 'me', password: 'https://index.docker.io/v1/' })
  }
})

test("podman's files are read, in its order, and before Docker's", async t => {
  const named = (user: string, registry = 'a.example') => ({ auths: { [registry]: of(user) } })
  const home = configured(t, {
    'run/containers/auth.json': named('run'),
    '.config/containers/auth.json': named('config'),
    '.docker/config.json': named('docker'),
    'else/config.json': named('else'),
    'own.json': named('own'),
    'other.json': named('other', 'other.example'),
  })
  const userOf = async (env: Readonly<Record<string, string>>) => {
    const login = await dockerLogin(nodeHost, A, { HOME: home, ...env })
    return login && 'user' in login ? login.user : login
  }
  const XDG_RUNTIME_DIR = join(home, 'run')
  t.is(await userOf({ XDG_RUNTIME_DIR }), 'run')
  t.is(await userOf({}), 'config')
  t.is(await userOf({ XDG_CONFIG_HOME: join(home, 'none') }), 'docker')
  // What the user names is read alone.
  const DOCKER_CONFIG = join(home, 'else')
  t.is(await userOf({ XDG_RUNTIME_DIR, DOCKER_CONFIG }), 'else')
  const REGISTRY_AUTH_FILE = join(home, 'own.json')
  t.is(await userOf({ XDG_RUNTIME_DIR, DOCKER_CONFIG, REGISTRY_AUTH_FILE }), 'own')
  t.is(await userOf({ XDG_RUNTIME_DIR, REGISTRY_AUTH_FILE: join(home, 'other.json') }), undefined)
})

test('a file without a login for the registry leaves the question to the next one', async t => {
  const home = configured(t, {
    '.config/containers/auth.json': { auths: { 'b.example': of('b'), 'a.example': {} } },
    '.docker/config.json': { auths: { 'a.example': of('docker') } },
  })
  const login = await dockerLogin(nodeHost, A, { HOME: home })
  t.deepEqual(login, { user: 'docker', password: 'secret' })
})

test('REGISTRY_AUTH_FILE that names no file is CACHE_DENIED', async t => {
  const path = join(tempDirectory(t), 'absent.json')
  await t.throwsAsync(dockerLogin(nodeHost, A, { REGISTRY_AUTH_FILE: path }), {
    code: 'CACHE_DENIED',
    message: new RegExp(`REGISTRY_AUTH_FILE.*${path}`),
  })
})

test('of several logins for a registry it is that of the longest part of the repository', async t => {
  const directory = configured(t, {
    'config.json': {
      auths: {
        'a.example': of('all'),
        'a.example/team': of('team'),
        'a.example/team/cache': of('cache'),
        'a.example/te': of('no'),
        'docker.io/team': of('hub'),
      },
    },
  })
  const userOf = async (address: string) => {
    const login = await dockerLogin(nodeHost, parseOciAddress(new URL(address)), {
      DOCKER_CONFIG: directory,
    })
    return login && 'user' in login ? login.user : login
  }
  t.is(await userOf('oci://a.example/team/cache'), 'cache')
  t.is(await userOf('oci://a.example/team/other'), 'team')
  t.is(await userOf('oci://a.example/ten'), 'all')
  t.is(await userOf('oci://docker.io/team/cache'), 'hub')
  t.is(await userOf('oci://docker.io/mine/cache'), undefined)
})

test('an identity token is exchanged for the token of a right', async t => {
  const bin = tempDirectory(t)
  writeFileSync(
    join(bin, 'docker-credential-token'),
    `#!/bin/sh\necho '{"Username":"<token>","Secret":"refresh me"}'\n`,
    { mode: 0o755 },
  )
  const env = { PATH: `${bin}:${process.env.PATH}` }
  for (const config of [
    { auths: { 'a.example': { identitytoken: 'refresh me' } } },
    { auths: { 'a.example': { ...of('<token>'), identitytoken: 'refresh me' } } },
    { credsStore: 'token' },
  ]) {
    const DOCKER_CONFIG = configured(t, { 'config.json': config })
    const known = await dockerLogin(nodeHost, A, { ...env, DOCKER_CONFIG })
    t.deepEqual(known, { identityToken: 'refresh me' })
    const asked: [URL, WebRequest][] = []
    const login = registryLogin(A, {
      client: {
        send: async (url, request) => {
          asked.push([url, request])
          return { status: 200, headers: {}, data: Buffer.from('{"access_token":"mine"}') }
        },
        close: async () => undefined,
      },
      now: () => 0,
      login: async () => known,
    })
    await login.renew(challenge('Bearer realm="https://token.example/t",service="s",scope="x y"'), {
      right: 'pull',
      sent: undefined,
      signal,
    })
    t.is(login.header('pull'), 'Bearer mine')
    const [[url, { method, body, headers }]] = asked as [[URL, WebRequest]]
    t.is(url.href, 'https://token.example/t')
    t.is(method, 'POST')
    t.deepEqual(headers, { 'content-type': 'application/x-www-form-urlencoded' })
    t.deepEqual(Object.fromEntries(new URLSearchParams(Buffer.from(body ?? '').toString())), {
      grant_type: 'refresh_token',
      refresh_token: 'refresh me',
      client_id: 'mixos',
      service: 's',
      scope: 'x y',
    })
  }
})

test('a registry that takes a password alone is CACHE_DENIED for an identity token, and says so', async t => {
  const login = registryLogin(A, {
    client: { send: () => Promise.reject(new Error('asked')), close: async () => undefined },
    now: () => 0,
    login: async () => ({ identityToken: 'x' }),
  })
  await t.throwsAsync(
    login.renew(challenge('Basic realm="x"'), { right: 'pull', sent: undefined, signal }),
    { code: 'CACHE_DENIED', message: /identity token/ },
  )
})

test("an AWS profile is read from both files, with the keys of Amazon's own order", async t => {
  const home = configured(t, {
    '.aws/config': `
[default]
region = eu-north-1
aws_access_key_id = CONFIG
aws_secret_access_key = S
s3 =
  region = not-this-one
  max_concurrent_requests = 20
# [profile commented]
[profile work]
region=eu-west-3
endpoint_url = https://s3.example/
aws_access_key_id = WORK
aws_secret_access_key = W
[profile "my team"]
aws_access_key_id = TEAM
aws_secret_access_key = T
[work]
region = of-no-profile
`,
    '.aws/credentials': `
[default]
aws_access_key_id = SHARED
aws_secret_access_key = B=
[bare]
aws_access_key_id = BARE
aws_secret_access_key = S
aws_session_token = E
`,
  })
  const keyOf = async (env: Environment) =>
    (await awsCredentials(nodeHost, { HOME: home, ...env })?.())?.accessKeyId
  t.is(await keyOf({}), 'SHARED')
  t.is(await keyOf({ AWS_PROFILE: 'work' }), 'WORK')
  t.is(await keyOf({ AWS_PROFILE: 'my team' }), 'TEAM')
  t.is(await keyOf({ AWS_PROFILE: 'bare' }), 'BARE')
  t.is(await keyOf({ AWS_SHARED_CREDENTIALS_FILE: join(home, 'none') }), 'CONFIG')
  const AWS_CONFIG_FILE = join(home, '.aws', 'config')
  t.is(await keyOf({ HOME: '/nowhere', AWS_CONFIG_FILE }), 'CONFIG')

  const of = (env: Environment, url = 's3://cache') =>
    parseS3Address(new URL(url), awsEnvironment(nodeHost.files, { HOME: home, ...env }))
  t.is(of({}).region, 'eu-north-1')
  t.is(of({ AWS_PROFILE: 'work' }).region, 'eu-west-3')
  t.is(of({ AWS_PROFILE: 'work' }).base.href, 'https://s3.example/cache/')
  t.is(of({ AWS_PROFILE: 'bare' }).region, 'us-east-1')
  t.is(of({ AWS_DEFAULT_REGION: 'a' }).region, 'a')
  t.is(of({ AWS_DEFAULT_REGION: 'a', AWS_REGION: 'b' }).region, 'b')
  t.is(of({}, 's3://cache?region=c').region, 'c')
})

test('credential_process is run when keys are needed, and again before they expire', async t => {
  let now = Date.parse('2026-01-01T00:00:00Z')
  const runs = join(tempDirectory(t), 'runs')
  const answer = {
    Version: 1,
    AccessKeyId: 'P',
    SecretAccessKey: 'S',
    SessionToken: 'T',
    Expiration: '2026-01-01T01:00:00Z',
  }
  const home = configured(t, {
    'answer with a space': answer,
    '.aws/config': `[default]\ncredential_process = sh -c 'echo run >> ${runs}; cat "$HOME/answer with a space"'\n`,
  })
  const source = awsCredentials(
    { ...nodeHost, now: () => now },
    { HOME: home, PATH: process.env.PATH },
  )
  t.false(existsSync(runs))
  const keys = { accessKeyId: 'P', secretAccessKey: 'S', sessionToken: 'T' }
  t.deepEqual(await Promise.all([source?.(), source?.()]), [keys, keys])
  t.is(readFileSync(runs, 'utf8'), 'run\n')
  now += 59 * 60_000
  await source?.()
  t.is(readFileSync(runs, 'utf8'), 'run\nrun\n')
})

test('credential_process is run when a bucket is opened, and not in the time that a cache has to answer', async t => {
  const runs = join(tempDirectory(t), 'runs')
  const keys = '{"Version":1,"AccessKeyId":"A","SecretAccessKey":"B"}'
  const home = configured(t, {
    '.aws/config': `[default]\ncredential_process = echo run >> ${runs}; echo '${keys}'\n`,
  })
  const env = { HOME: home, PATH: process.env.PATH }
  const storage = await s3Storage(new URL('s3://cache'), { host: nodeHost, env })
  t.teardown(() => storage.close())
  t.is(readFileSync(runs, 'utf8'), 'run\n')
})

for (const [command, why] of [
  ['echo locked >&2; exit 3', /exit code 3/],
  ['echo hello', /no keys/],
  [`echo '{"Version":2,"AccessKeyId":"A","SecretAccessKey":"B"}'`, /no keys/],
] as const) {
  test(`a credential_process is CACHE_DENIED and named: ${command}`, async t => {
    const home = configured(t, {
      '.aws/config': `[profile mine]\ncredential_process = ${command}\n`,
    })
    const env = { HOME: home, AWS_PROFILE: 'mine', PATH: '/usr/bin:/bin' }
    const error = await t.throwsAsync(async () => awsCredentials(nodeHost, env)?.(), {
      code: 'CACHE_DENIED',
      message: /"mine".*credential_process/,
    })
    t.regex(error?.message ?? '', why)
  })
}

for (const setting of [
  'role_arn = arn:aws:iam::1:role/x\nsource_profile = default',
  'sso_session = team',
  'sso_start_url = https://x.example',
  'web_identity_token_file = /t',
  'login_session = x',
]) {
  const [name = ''] = setting.split(' ')
  test(`a profile that has ${name} is CACHE_DENIED, and another tool can resolve it`, t => {
    const home = configured(t, { '.aws/config': `[profile mine]\n${setting}\n` })
    const error = t.throws(() => awsCredentials(nodeHost, { HOME: home, AWS_PROFILE: 'mine' }), {
      code: 'CACHE_DENIED',
      message: new RegExp(`"mine".*${name}`),
    }) as { hint?: string }
    t.regex(error.hint ?? '', /aws configure export-credentials --profile mine --format env/)
  })
}

for (const name of ['AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_CONTAINER_CREDENTIALS_FULL_URI']) {
  test(`${name} is CACHE_DENIED where there are no keys`, t => {
    const error = t.throws(() => awsCredentials(nodeHost, { [name]: 'x' }), {
      code: 'CACHE_DENIED',
      message: new RegExp(name),
    }) as { hint?: string }
    t.regex(error.hint ?? '', /aws configure export-credentials --format env/)
  })
}

const { signal } = new AbortController()
const A = parseOciAddress(new URL('oci://a.example/team/cache'))

const of = (user: string) => ({ auth: Buffer.from(`${user}:secret`).toString('base64') })
const ME = of('me')

const challenge = (text: string) => ({
  status: 401,
  headers: { 'www-authenticate': text },
  data: Buffer.alloc(0),
})

/** A directory with these files of JSON, or of text. */
function configured(t: ExecutionContext, files: Readonly<Record<string, object | string>>): string {
  const directory = tempDirectory(t)
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  }
  return directory
}
