import { join } from 'node:path'
import { MixosError } from '../graph/error.ts'
import type { SecretKey } from '../store/cache/keys.ts'
import type { Host } from '../store/host.ts'
import { userSettingsDirectory } from '../store/user-settings.ts'
import { absolute, type Context } from './context.ts'

const SUFFIX = '.secret'

/** Where `keygen` puts a secret key: `$XDG_CONFIG_HOME/mixos/keys/NAME.secret`. */
export function keyPath(context: Context, name: string): string {
  return join(keysDirectory(context), `${name}${SUFFIX}`)
}

/** The key to sign with: the one in `file`, else the user's only one. */
export async function signingKey(
  host: Host,
  context: Context,
  file: string | undefined,
): Promise<SecretKey> {
  const { readSecretKey } = await import('../store/cache/keys.ts')
  if (file !== undefined) return readSecretKey(host, absolute(file, context.directory))
  const directory = keysDirectory(context)
  const names = host.files.lstat(directory)
    ? host.files.list(directory).filter(name => name.endsWith(SUFFIX))
    : []
  const [only, second] = names
  if (only === undefined)
    throw new MixosError('KEY_INVALID', 'there is no key to sign with', {
      hint: 'make one: mixos cache keygen NAME; or name its file with --key',
    })
  if (second !== undefined)
    throw new MixosError(
      'KEY_INVALID',
      `there are several keys to sign with in ${directory}: ${names.join(', ')}`,
      { hint: `name one: --key ${join(directory, only)}` },
    )
  return readSecretKey(host, join(directory, only))
}

/** Of all keys of this user. */
export function keysDirectory({ environment }: Context): string {
  const directory = userSettingsDirectory(environment)
  if (!directory)
    throw new MixosError('SETTINGS_INVALID', 'neither XDG_CONFIG_HOME nor HOME is set', {
      hint: 'name the file of the key',
    })
  return join(directory, 'keys')
}
