import { resolve } from 'node:path'
import type { Host } from '../host.ts'
import { locationOf } from './address.ts'
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
  /** The certificate authorities that are believed, in PEM; absent, those that everybody trusts. */
  readonly ca?: string | undefined
}

/**
 * The storage at an address: a path, or a URL. Connects to nothing yet. Throws BAD_ARGUMENT for an address
 * that names none, and for one with credentials in it.
 */
export async function openStorage(address: string, options: OpenOptions): Promise<WritableStorage> {
  const { host, env, directory, token, ca } = options
  const location = locationOf(address)
  // Loaded when used: each brings a client with it.
  switch (location.scheme) {
    case 'file':
      return directoryStorage(host, resolve(directory, location.path))
    case 's3':
      return (await import('./storages/s3.ts')).s3Storage(location.url, { host, env, ca })
    case 'oci':
      return (await import('./storages/oci.ts')).ociStorage(location.url, { host, env, ca })
    default:
      return (await import('./storages/http.ts')).httpStorage(location.url, env, { token, ca })
  }
}
