import { join } from 'node:path'
import { generateKey, readSecretKey, type SecretKey, writeSecretKey } from '../cache/keys.ts'
import type { Host } from '../host.ts'
import { ROLES, type Role, tufKeyId, tufKeyOf } from './tuf.ts'

/** Who signs what. The root key is needed only where the keys change or the root metadata is to be renewed. */
export interface RepositoryKeys extends Readonly<Record<Exclude<Role, 'root'>, SecretKey>> {
  /** The first is the root key; others are earlier ones, by which clients believe the change. */
  readonly root: readonly SecretKey[]
}

export const keyFile = (directory: string, role: Role): string => join(directory, `${role}.secret`)

/** Makes one key for each role, and returns their ids. Throws KEY_INVALID where there is one already. */
export async function generateRepositoryKeys(
  host: Host,
  directory: string,
): Promise<Readonly<Record<Role, string>>> {
  host.files.makeDirectory(directory, 0o700)
  const keys = ROLES.map(role => [role, generateKey(host, role)] as const)
  for (const [role, key] of keys) await writeSecretKey(host, keyFile(directory, role), key)
  return Object.fromEntries(keys.map(([role, key]) => [role, tufKeyId(tufKeyOf(key))])) as Record<
    Role,
    string
  >
}

/** The keys in a directory; that of the root may be kept elsewhere. Throws KEY_INVALID. */
export function readRepositoryKeys(host: Host, directory: string): RepositoryKeys {
  const read = (role: Role): SecretKey => readSecretKey(host, keyFile(directory, role))
  return {
    root: host.files.lstat(keyFile(directory, 'root')) ? [read('root')] : [],
    targets: read('targets'),
    snapshot: read('snapshot'),
    timestamp: read('timestamp'),
  }
}
