import { sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { ExecutionContext } from 'ava'

/** For the registry, which believes tokens that its key has signed. Until 2121. */
export const issuerCertificate = `-----BEGIN CERTIFICATE-----
MIIBZDCCAQqgAwIBAgIBATAKBggqhkjOPQQDAjAQMQ4wDAYDVQQDDAV0ZXN0czAg
Fw0yNjExMjMwODM3NTVaGA8yMTIxMDUwOTA4Mzc1NVowEDEOMAwGA1UEAwwFdGVz
dHMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQD8Ss9lCG/eIlGuWxn9JQR+bdh
FsBSwtEV5CCmYcnmp7k0MEfU2kmWAIw0SdHOWW+kKNQ/+rbavZu5GWrrjzR2o1Mw
UTAdBgNVHQ4EFgQU1CLFCVIK7T09wmpzpbnjUN7U45swHwYDVR0jBBgwFoAU1CLF
CVIK7T09wmpzpbnjUN7U45swDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNI
ADBFAiEAsuQqvWBk+WdolqhxCHQmt+44dBPQNqFm29pPm6UxWMMCIA7x4qeEeeSq
MGx6ETS0RZ0n4FFdcNuJLoDpWUlEyZMy
-----END CERTIFICATE-----
`

// Of no use to anybody: it guards nothing but these tests.
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTehwxhDCFUTDfRuq
vBm5/WRO2g1mTdbct1PMDg4pyEOhRANCAAQD8Ss9lCG/eIlGuWxn9JQR+bdhFsBS
wtEV5CCmYcnmp7k0MEfU2kmWAIw0SdHOWW+kKNQ/+rbavZu5GWrrjzR2
-----END PRIVATE KEY-----
`

export interface TokenServer {
  readonly url: string
  /** Who asked, `user:password` or nothing, and for what. */
  readonly asked: string[]
}

/** What stands for `me:secret`, in a form of OAuth 2.0. */
export const identityToken = 'the-identity-of-me'

/**
 * The service that a registry sends to for a token. `me:secret` gets one for all that it asks for, who has
 * no credentials one that lets pull, and others get none.
 */
export async function tokenServer(t: ExecutionContext): Promise<TokenServer> {
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    const isForm = request.method === 'POST'
    const form = isForm
      ? new URLSearchParams(await text(request))
      : new URL(request.url ?? '', 'http://localhost').searchParams
    const basic = request.headers.authorization?.replace(/^Basic /, '') ?? ''
    const isMe =
      form.get('grant_type') === 'refresh_token' && form.get('refresh_token') === identityToken
    const login = isForm ? (isMe ? 'me:secret' : 'nobody') : Buffer.from(basic, 'base64').toString()
    const scopes = form.getAll('scope').flatMap(scope => scope.split(' '))
    asked.push([login, form.get('service'), ...scopes].join(' '))
    if (login !== '' && login !== 'me:secret') return void response.writeHead(401).end()
    const access = scopes.map(scope => accessOf(scope, login === '' ? ['pull'] : undefined))
    const name = isForm ? 'access_token' : 'token'
    response.end(JSON.stringify({ [name]: tokenFor(access), expires_in: 300 }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`, asked }
}

interface Access {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

function accessOf(scope: string, allowed: readonly string[] | undefined): Access {
  const [type = '', name = '', actions = ''] = scope.split(':')
  const wanted = actions.split(',')
  return { type, name, actions: wanted.filter(action => allowed?.includes(action) ?? true) }
}

function tokenFor(access: readonly Access[]): string {
  const now = Math.floor(Date.now() / 1000)
  const x5c = [issuerCertificate.replace(/-----.*-----|\n/g, '')]
  const claims = { iss: 'tests', aud: 'cache', exp: now + 300, nbf: now - 60, access }
  const claimed = [{ typ: 'JWT', alg: 'ES256', x5c }, claims]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const signature = sign('sha256', Buffer.from(claimed), { key, dsaEncoding: 'ieee-p1363' })
  return `${claimed}.${signature.toString('base64url')}`
}
