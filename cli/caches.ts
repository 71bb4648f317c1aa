import { MixosError } from '../graph/error.ts'
import type { CacheSetting } from '../store/cache/settings.ts'
import type { CacheStorage, WritableStorage } from '../store/cache/storage.ts'
import type { Host } from '../store/host.ts'
import type { Store } from '../store/store.ts'
import type { Substituter } from '../store/substituter.ts'
import { TOKEN_VARIABLE, tokenIn } from './cache-token.ts'
import { absolute, type Context, type Environment } from './context.ts'

/**
 * The caches of the command line, the user and the project as one. They are looked up when something is missing
 * here for the first time: a run with nothing to do reads no settings and opens no connection.
 */
export function cachesOf(
  context: Context,
  store: Store,
  addresses: readonly string[],
): Substituter {
  let opened: Promise<Substituter> | undefined
  const open = (): Promise<Substituter> => {
    opened ??= openCaches(context, store, addresses)
    return opened
  }
  return {
    find: async hash => (await open()).find(hash),
    fetch: async (substitute, onBytes) => (await open()).fetch(substitute, onBytes),
    challenge: async traces => (await open()).challenge(traces),
    [Symbol.asyncDispose]: async () => {
      // What kept them from being opened was thrown to whoever asked.
      await (await opened?.catch(() => undefined))?.[Symbol.asyncDispose]()
    },
  }
}

async function openCaches(
  context: Context,
  store: Store,
  addresses: readonly string[],
): Promise<Substituter> {
  const { environment, project, signal, report } = context
  const [{ cacheSettings }, { substituterOf }, named] = await Promise.all([
    import('../store/cache/settings.ts'),
    import('../store/substituter.ts'),
    cacheAddresses(context, addresses),
  ])
  const settings = cacheSettings(store.host, { environment, project, addresses: named })
  for (const warning of settings.warnings) report({ type: 'warning', ...warning })
  const caches = settings.caches.map(setting => ({
    name: setting.address,
    policy: setting.policy,
    priority: setting.priority,
    open: () => openToRead(context, store, setting),
  }))
  return substituterOf(store, caches, { signal, report })
}

/** Addresses from the command line, where a path may begin where the user is. */
export async function cacheAddresses(
  { directory }: Pick<Context, 'directory'>,
  addresses: readonly string[],
): Promise<string[]> {
  const { isPath } = await import('../store/cache/address.ts')
  return addresses.map(address => (isPath(address) ? absolute(address, directory) : address))
}

interface Reachable {
  readonly host: Host
}

/** The one cache that a command is about: who writes to it, or lists it, needs the token that is for it alone. */
export async function openToWrite(
  { environment, directory }: Pick<Context, 'environment' | 'directory'>,
  { host }: Reachable,
  address: string,
): Promise<WritableStorage> {
  const { openStorage } = await import('../store/cache/open-storage.ts')
  return openStorage(address, {
    host,
    env: environment,
    directory,
    token: tokenIn(environment, TOKEN_VARIABLE),
    ca: await authorities(host, environment, directory),
  })
}

/**
 * One of the caches that are asked. The user's credentials are kept from one that someone else named, such as a
 * project, and its token is sent to no other.
 */
export async function openToRead(
  { environment, directory }: Pick<Context, 'environment' | 'directory'>,
  { host }: Reachable,
  setting: Pick<CacheSetting, 'address' | 'source' | 'tokenVariable'>,
): Promise<CacheStorage> {
  const { openStorage } = await import('../store/cache/open-storage.ts')
  const { HTTP_PROXY, HTTPS_PROXY, NO_PROXY, http_proxy, https_proxy, no_proxy } = environment
  const proxies = { HTTP_PROXY, HTTPS_PROXY, NO_PROXY, http_proxy, https_proxy, no_proxy }
  const storage = await openStorage(setting.address, {
    host,
    env: setting.source === 'project' ? proxies : environment,
    directory,
    token: tokenOf(environment, setting),
    ca: await authorities(host, environment, directory),
  })
  const hint = deniedHint(setting)
  return hint === undefined ? storage : withDeniedHint(storage, hint)
}

function tokenOf(
  environment: Environment,
  { tokenVariable }: Pick<CacheSetting, 'tokenVariable'>,
): string | undefined {
  if (tokenVariable === undefined) return undefined
  const token = tokenIn(environment, tokenVariable)
  if (token !== undefined) return token
  throw new MixosError('CACHE_DENIED', `its token is missing: ${tokenVariable} is not set`, {
    hint: 'set it, or change the "tokenVariable" of that cache in your caches.json',
  })
}

/** What helps where a cache wants credentials; undefined where its own words do. */
function deniedHint({
  address,
  source,
  tokenVariable,
}: Pick<CacheSetting, 'address' | 'source' | 'tokenVariable'>): string | undefined {
  if (tokenVariable !== undefined) return `correct the token in ${tokenVariable}`
  if (/^https?:/.test(address))
    return 'name it in your own caches.json, and there the variable that holds its token: "tokenVariable": "TEAM_TOKEN"'
  return source === 'project'
    ? 'what a project names gets no credentials: name it in your own caches.json, or with --cache'
    : undefined
}

function withDeniedHint(storage: CacheStorage, hint: string): CacheStorage {
  const explained = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer
    } catch (error) {
      if (!(error instanceof MixosError) || error.code !== 'CACHE_DENIED') throw error
      throw new MixosError('CACHE_DENIED', error.message, { hint, cause: error })
    }
  }
  return {
    name: storage.name,
    read: (path, options) => explained(storage.read(path, options)),
    has: (path, options) => explained(storage.has(path, options)),
    close: () => storage.close(),
  }
}

/**
 * Whom HTTPS believes, in PEM, where the user has an authority of their own: it and the public ones. Without it, the
 * server would be unknown: a misspelled name is said where it is.
 */
async function authorities(
  { files }: Host,
  { MIXOS_CACHE_CA }: Environment,
  directory: string,
): Promise<string | undefined> {
  if (!MIXOS_CACHE_CA) return undefined
  const path = absolute(MIXOS_CACHE_CA, directory)
  const own = files.lstat(path)?.isDirectory() ? undefined : files.read(path)?.toString()
  if (!own?.includes('-----BEGIN CERTIFICATE-----'))
    throw new MixosError('SETTINGS_INVALID', `MIXOS_CACHE_CA: ${path} holds no certificate`, {
      hint: 'name a PEM file with the certificate of the authority, or of the server itself',
    })
  const { getCACertificates } = await import('node:tls')
  return [...getCACertificates(), own].join('\n')
}
