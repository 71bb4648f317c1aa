import { MixosError } from '../../../graph/error.ts'

export interface OciAddress {
  /** For messages: the URL as it was given. */
  readonly name: string
  /** With the port where it has one, and of Docker Hub `docker.io`: what credentials are kept under. */
  readonly host: string
  readonly repository: string
  /** Of the registry: everything is asked for below. */
  readonly base: URL
}

export const DOCKER_HUB = 'docker.io'
/** Where its API is, under one of the names that it has. */
const HUB_API = 'index.docker.io'

/** The one name of a registry that has several. */
export function registryOf(host: string): string {
  return /^(index|registry-1)\.docker\.io$/.test(host) ? DOCKER_HUB : host
}

const HINT = 'write it as oci://HOST/NAME, with ?insecure=true for a registry without TLS'
// The distribution specification, 1.1.
const REPOSITORY = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/

/**
 * What `oci://host[:port]/name` stands for: a repository in a registry, reached over TLS except on this
 * machine or with `?insecure=true`. Throws BAD_ARGUMENT.
 */
export function parseOciAddress(url: URL): OciAddress {
  const name = url.href.replace(/\/\/[^/@]*@/, '//')
  const refuse = (why: string): never => {
    throw new MixosError('BAD_ARGUMENT', `${name}: ${why}`, { hint: HINT })
  }
  if (url.username || url.password) refuse('credentials have no place in an address')
  const repository = url.pathname.replace(/^\/+|\/+$/g, '')
  if (repository.length > 255 || !REPOSITORY.test(repository)) {
    refuse(`${JSON.stringify(repository)} is no name of a repository`)
  }
  for (const [option, value] of url.searchParams) {
    if (option !== 'insecure') refuse(`unknown option ${option}`)
    if (value !== 'true' && value !== 'false') refuse(`insecure is true or false, not ${value}`)
  }
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  const insecure = url.searchParams.get('insecure') ?? String(isLocal)
  const host = registryOf(url.host)
  const api = host === DOCKER_HUB ? HUB_API : host
  const base = URL.parse(`${insecure === 'true' ? 'http' : 'https'}://${api}/v2/`)
  if (!base || host === '') return refuse(`${JSON.stringify(host)} is no host`)
  return { name, host, repository, base }
}
