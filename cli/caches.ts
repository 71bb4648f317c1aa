import { MixosError } from '../graph/error.ts'
import type { Store } from '../store/store.ts'
import type { Substituter } from '../store/substituter.ts'
import { absolute, type Context } from './context.ts'

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
  const [{ cacheSettings }, { substituterOf }] = await Promise.all([
    import('../store/cache/settings.ts'),
    import('../store/substituter.ts'),
  ])
  const settings = cacheSettings(store.host, { environment, project, addresses })
  for (const warning of settings.warnings) report({ type: 'warning', ...warning })
  const caches = settings.caches.map(({ address, policy, priority, source }) => ({
    name: address,
    policy,
    priority,
    open: () => openCache(context, store, { address, isForeign: source === 'project' }),
  }))
  return substituterOf(store, caches, { signal, report })
}

/** Of a cache that someone else named, such as a project's, the user's credentials are kept. */
export async function openCache(
  { environment, directory }: Context,
  { host }: Pick<Store, 'host'>,
  { address, isForeign = false }: { address: string; isForeign?: boolean },
) {
  const { openStorage } = await import('../store/cache/open-storage.ts')
  const { HTTP_PROXY, HTTPS_PROXY, NO_PROXY, http_proxy, https_proxy, no_proxy } = environment
  const proxies = { HTTP_PROXY, HTTPS_PROXY, NO_PROXY, http_proxy, https_proxy, no_proxy }
  if (isForeign) return openStorage(address, { host, env: proxies, directory })
  const { MIXOS_CACHE_TOKEN, MIXOS_CACHE_CA: ca } = environment
  return openStorage(address, {
    host,
    env: environment,
    directory,
    token: MIXOS_CACHE_TOKEN || undefined,
    ca: ca ? authority(host, absolute(ca, directory)) : undefined,
  })
}

/** Nobody else is believed in its place, so that a misspelled name must not go unnoticed. */
function authority({ files }: Store['host'], path: string): string {
  const text = files.lstat(path)?.isDirectory() ? undefined : files.read(path)?.toString()
  if (text?.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new MixosError('BAD_ARGUMENT', `MIXOS_CACHE_CA: ${path} holds no certificate`, {
    hint: 'name a PEM file with the certificate that the server is to be known by',
  })
}
