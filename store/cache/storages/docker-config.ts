import { MixosError } from '../../../graph/error.ts'
import { isRecord } from '../../../graph/json.ts'
import type { Login } from './docker-helper.ts'
import { registryOf } from './oci-address.ts'

/** A file that docker login or podman login writes. */
export interface DockerConfig {
  /** By a registry, or by a part of one: a repository, or what its name begins with. */
  readonly auths: ReadonlyMap<string, DockerLogin>
  /** Of the program that keeps the logins, for one registry or for all. */
  readonly helperOf: (registry: string) => string | undefined
}

interface DockerLogin {
  /** `user:password` in base 64. */
  readonly auth?: unknown
  readonly username?: unknown
  readonly password?: unknown
  /** Stands for the password at the service that gives tokens. */
  readonly identitytoken?: unknown
}

/** Throws CACHE_DENIED, naming the file, for what is none. */
export function parseDockerConfig(text: string, path: string): DockerConfig {
  const { auths, credHelpers, credsStore } = parsed(text, path)
  const helpers = byName(credHelpers)
  return {
    auths: new Map([...byName(auths)].map(([name, login]) => [name, isRecord(login) ? login : {}])),
    helperOf: registry => [helpers.get(registry), credsStore].find(isText),
  }
}

/** The login of the longest name that has one: `host/a/b`, then `host/a`, then `host`. */
export function loginOf(config: DockerConfig, name: string): Login | undefined {
  const found = config.auths.get(name)
  if (found) return loginIn(found)
  const end = name.lastIndexOf('/')
  return end < 0 ? undefined : loginOf(config, name.slice(0, end))
}

/** Docker writes the host, older versions and other tools an address; of both, the host is what is meant. */
function byName(entries: unknown): Map<string, unknown> {
  const found = new Map<string, unknown>()
  for (const [key, value] of Object.entries(isRecord(entries) ? entries : {})) {
    const [, scheme, rest = ''] = /^(https?:\/\/)?(.*?)(?:\/v[12])?\/*$/.exec(key) ?? []
    const [host = '', ...path] = rest.split('/')
    const name = [registryOf(host), ...(scheme ? [] : path)].join('/')
    if (name === key || !found.has(name)) found.set(name, value)
  }
  return found
}

function loginIn({ auth, username, password, identitytoken }: DockerLogin): Login | undefined {
  if (isText(identitytoken)) return { identityToken: identitytoken }
  if (isText(username) && isText(password)) return { user: username, password }
  const text = isText(auth) ? Buffer.from(auth, 'base64').toString() : ''
  const [, user, secret] = /^([^:]+):(.+?)\0*$/s.exec(text) ?? []
  return user && secret ? { user, password: secret } : undefined
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

function parsed(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    const data: unknown = JSON.parse(text)
    if (isRecord(data)) return data
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new MixosError('CACHE_DENIED', `${path} is not what docker login or podman login writes`, {
    hint: 'correct or remove it, and log in again',
  })
}
