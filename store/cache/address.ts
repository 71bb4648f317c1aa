import { fileURLToPath } from 'node:url'
import { MixosError } from '../../graph/error.ts'
import { parseOciAddress } from './storages/oci-address.ts'
import { parseS3Address } from './storages/s3-address.ts'

/** Where a cache is. */
export type CacheLocation =
  /** Perhaps a relative path. */
  | { readonly scheme: 'file'; readonly path: string }
  | { readonly scheme: Exclude<Scheme, 'file'>; readonly url: URL }

const SCHEMES = ['file', 'http', 'https', 's3', 'oci'] as const
type Scheme = (typeof SCHEMES)[number]

const TOKEN =
  'to write to it, set MIXOS_CACHE_TOKEN; to read, name a variable in your caches.json: "tokenVariable"'

/** How credentials reach a backend, since an address ends up in settings, logs and messages. */
const CREDENTIALS: Record<Scheme, string> = {
  file: 'a directory needs none',
  http: TOKEN,
  https: TOKEN,
  s3: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  oci: 'run docker login, or podman login',
}

/**
 * What an address names: a path, or a URL. Throws BAD_ARGUMENT for one that
 * names no place where a cache could be, and for one with credentials in it.
 */
export function locationOf(address: string): CacheLocation {
  if (address === '') throw new MixosError('BAD_ARGUMENT', 'the address of a cache is empty')
  const scheme = schemeOf(address)
  if (scheme === undefined) return { scheme: 'file', path: address }
  if (!isScheme(scheme)) throw unknownScheme(scheme)
  const url = urlOf(address, scheme)
  return scheme === 'file' ? { scheme, path: pathOf(url) } : { scheme, url }
}

/** Whether it is the path of a directory, perhaps a relative one, and no URL. */
export function isPath(address: string): boolean {
  return address !== '' && schemeOf(address) === undefined
}

/** Throws BAD_ARGUMENT for an address that cannot be opened, whatever the environment says. */
export function checkAddress(address: string): void {
  const location = locationOf(address)
  if (location.scheme === 's3') parseS3Address(location.url, {})
  if (location.scheme === 'oci') parseOciAddress(location.url)
}

function schemeOf(address: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):/i.exec(address)?.[1]?.toLowerCase()
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
