import { join } from 'node:path'
import { MixosError } from '../../../graph/error.ts'
import { isRecord } from '../../../graph/json.ts'
import type { Host } from '../../host.ts'
import { credentialsIn } from './credentials-file.ts'
import { askHelper, type Login } from './docker-helper.ts'
import type { Environment } from './http-client.ts'

interface DockerConfig {
  readonly auths?: Readonly<Record<string, DockerLogin | undefined>>
  /** Names of helpers: for a registry, and for all others. */
  readonly credHelpers?: Readonly<Record<string, string | undefined>>
  readonly credsStore?: string
}

interface DockerLogin {
  /** `user:password` in base 64. */
  readonly auth?: string
  readonly username?: string
  readonly password?: string
}

/**
 * What `docker login HOST` left behind: in `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`, or with
 * a helper that the file names. Undefined where there is nothing. Throws CACHE_DENIED for a file or a helper
 * that is of no use.
 */
export async function dockerLogin(
  host: Pick<Host, 'files' | 'processes'>,
  registry: string,
  env: Environment,
): Promise<Login | undefined> {
  const directory = env.DOCKER_CONFIG || (env.HOME && join(env.HOME, '.docker'))
  const path = directory && join(directory, 'config.json')
  const text = path && credentialsIn(host.files, path)
  if (!path || !text) return undefined
  const config = parsed(text, path)
  const helper = config.credHelpers?.[registry] ?? config.credsStore
  return (
    (helper ? await askHelper(host, { helper, registry, env }) : undefined) ??
    loginIn(config, registry)
  )
}

function loginIn({ auths = {} }: DockerConfig, registry: string): Login | undefined {
  // Docker writes the host, older versions and other tools an address.
  const key = Object.keys(auths).find(
    key => key.replace(/^https?:\/\//, '').replace(/(\/v[12])?\/*$/, '') === registry,
  )
  const login = key === undefined ? undefined : auths[key]
  if (!login) return undefined
  const { auth = '', username, password } = login
  if (username && password) return { user: username, password }
  const [, user, secret] = /^([^:]+):(.+?)\0*$/s.exec(Buffer.from(auth, 'base64').toString()) ?? []
  return user && secret ? { user, password: secret } : undefined
}

function parsed(text: string, path: string): DockerConfig {
  try {
    const data: unknown = JSON.parse(text)
    if (isRecord(data)) return data
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new MixosError('CACHE_DENIED', `${path} is not what docker login writes`, {
    hint: 'correct or remove it, and log in again',
  })
}
