import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import type { WritableStorage } from './storage.ts'
import { directoryStorage } from './storages/directory.ts'

export interface OpenOptions {
  readonly host: Host
  /** For proxies, and for credentials where a backend has names of its own for them. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where relative paths begin. */
  readonly directory: string
  /** For a web server; sent to this one alone. */
  readonly token?: string | undefined
  /** A certificate authority in PEM for a web server, instead of those that everybody trusts. */
  readonly ca?: string | undefined
}

const SCHEMES = ['file', 'http', 'https', 's3', 'oci'] as const
type Scheme = (typeof SCHEMES)[number]

/** How credentials reach a backend, since an address ends up in settings, logs and messages. */
const CREDENTIALS: Record<Scheme, string> = {
  file: 'a directory needs none',
  http: 'set MIXOS_CACHE_TOKEN',
  https: 'set MIXOS_CACHE_TOKEN',
  s3: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  oci: 'run docker login, or podman login',
}

/**
 * The storage at an address: a path, or a URL. Connects to nothing yet. Throws BAD_ARGUMENT for an address
 * that names none, and for one with credentials in it.
 */
export async function openStorage(address: string, options: OpenOptions): Promise<WritableStorage> {
  const { host, env, directory, token, ca } = options
  if (address === '') throw new MixosError('BAD_ARGUMENT', 'the address of a cache is empty')
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(address)?.[1]?.toLowerCase()
  if (scheme === undefined) return directoryStorage(host, resolve(directory, address))
  if (!isScheme(scheme)) throw unknownScheme(scheme)
  const url = urlOf(address, scheme)
  // Loaded when used: each brings a client with it.
  switch (scheme) {
    case 'file':
      return directoryStorage(host, pathOf(url))
    case 's3':
      return (await import('./storages/s3.ts')).s3Storage(url, { host, env })
    case 'oci':
      return (await import('./storages/oci.ts')).ociStorage(url, { host, env })
    default:
      return (await import('./storages/http.ts')).httpStorage(url, env, { token, ca })
  }
}

function isScheme(scheme: string): scheme is Scheme {
  return (SCHEMES as readonly string[]).includes(scheme)
}

function urlOf(address: string, scheme: Scheme): URL {
  const url = URL.parse(address)
  // Not repeated in a message: what cannot be parsed may hold a password all the same.
  const wrong = (what: string, hint?: string): MixosError =>
    new MixosError('BAD_ARGUMENT', `the address of a ${scheme} cache ${what}`, { hint })
  if (!url || !address.includes('://'))
    throw wrong('is no URL', `for instance: ${EXAMPLES[scheme]}`)
  if (url.username !== '' || url.password !== '') {
    throw wrong('holds credentials', `leave them out of it; ${CREDENTIALS[scheme]}`)
  }
  const isPlain = url.search === '' && url.hash === ''
  if (!isPlain && scheme !== 's3' && scheme !== 'oci') throw wrong('has a query')
  return url
}

const EXAMPLES: Record<Scheme, string> = {
  file: 'file:///srv/cache',
  http: 'http://cache.example:8080',
  https: 'https://cache.example',
  s3: 's3://bucket/prefix?region=eu-central-1',
  oci: 'oci://registry.example/name',
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url)
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof URIError)) throw error
    throw new MixosError('BAD_ARGUMENT', `${url.href} names no directory of this machine`, {
      hint: `for instance: ${EXAMPLES.file}`,
      cause: error,
    })
  }
}

function unknownScheme(scheme: string): MixosError {
  return new MixosError('BAD_ARGUMENT', `no cache is reached by ${scheme}://`, {
    hint: `a cache is a path, or begins with one of ${SCHEMES.map(name => `${name}://`).join(', ')}`,
  })
}
