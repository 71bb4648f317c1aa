import { join } from 'node:path'
import { MixosError } from '../../../graph/error.ts'
import type { Host } from '../../host.ts'
import { credentialsIn } from './credentials-file.ts'
import { loginOf, parseDockerConfig } from './docker-config.ts'
import { askHelper, type Login } from './docker-helper.ts'
import type { Environment } from './http-client.ts'
import { DOCKER_HUB, type OciAddress } from './oci-address.ts'

/**
 * What `docker login` or `podman login` left behind for a repository: in the one file that `$REGISTRY_AUTH_FILE` or
 * `$DOCKER_CONFIG` names, else in the first of podman's and Docker's own that has a login for it, or with a helper that
 * such a file names. Undefined where there is nothing. Throws CACHE_DENIED for a file or a helper that is of no use.
 */
export async function dockerLogin(
  host: Pick<Host, 'files' | 'processes'>,
  { host: registry, repository }: Pick<OciAddress, 'host' | 'repository'>,
  env: Environment,
): Promise<Login | undefined> {
  for (const path of filesOf(env)) {
    const text = credentialsIn(host.files, path)
    if (text === undefined && path === env.REGISTRY_AUTH_FILE) throw absent(path)
    if (!text) continue
    const config = parseDockerConfig(text, path)
    const helper = config.helperOf(registry)
    // What Docker tells a helper is the key that it has in its own file.
    const asked = registry === DOCKER_HUB ? 'https://index.docker.io/v1/' : registry
    const login =
      (helper ? await askHelper(host, { helper, registry: asked, env }) : undefined) ??
      loginOf(config, `${registry}/${repository}`)
    if (login) return login
  }
  return undefined
}

/** In the order of containers-auth.json(5); of DOCKER_CONFIG that page says nothing, and podman does so. */
function filesOf(env: Environment): string[] {
  const { HOME, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, DOCKER_CONFIG, REGISTRY_AUTH_FILE } = env
  if (REGISTRY_AUTH_FILE) return [REGISTRY_AUTH_FILE]
  if (DOCKER_CONFIG) return [join(DOCKER_CONFIG, 'config.json')]
  const settings = XDG_CONFIG_HOME || (HOME && join(HOME, '.config'))
  return [
    XDG_RUNTIME_DIR && join(XDG_RUNTIME_DIR, 'containers', 'auth.json'),
    settings && join(settings, 'containers', 'auth.json'),
    HOME && join(HOME, '.docker', 'config.json'),
  ].filter((path): path is string => Boolean(path))
}

function absent(path: string): MixosError {
  return new MixosError('CACHE_DENIED', `REGISTRY_AUTH_FILE is ${path}, which is not there`, {
    hint: 'correct or unset it, or log in with: podman login',
  })
}
