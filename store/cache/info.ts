import { MixosError } from '../../graph/error.ts'
import { shown } from '../../graph/shown.ts'
import { STORE_DIRECTORY } from '../../graph/store-path.ts'
import { INFO_PATH } from './layout.ts'
import type { CacheStorage, WritableStorage } from './storage.ts'

const FORMAT = 'mixos-cache-1'
const LIMIT = 4096

export const INFO = `${JSON.stringify({ format: FORMAT, store: STORE_DIRECTORY })}\n`

/**
 * True for a cache that we can read, false where there is none yet. Throws CACHE_FOREIGN for one of another
 * format or for another store directory, since paths in its objects would lead nowhere here.
 */
export async function checkInfo(storage: CacheStorage, signal: AbortSignal): Promise<boolean> {
  const bytes = await storage.read(INFO_PATH, { signal, limit: LIMIT })
  if (!bytes) return false
  const { format, store } = parse(bytes, storage.name)
  if (format !== FORMAT) {
    throw new MixosError(
      'CACHE_FOREIGN',
      `${storage.name} is a cache of the format ${shown(format)}, this mixos reads ${FORMAT}`,
      { hint: 'use the version of mixos that it was made with, or another cache' },
    )
  }
  if (store === STORE_DIRECTORY) return true
  throw new MixosError(
    'CACHE_FOREIGN',
    `${storage.name} is a cache for ${shown(store)}, this store is ${STORE_DIRECTORY}`,
    { hint: 'use another cache: its objects name each other by their directory' },
  )
}

/** Throws CACHE_FOREIGN as `checkInfo` does, and also where there is no cache. */
export async function requireCache(storage: CacheStorage, signal: AbortSignal): Promise<void> {
  if (await checkInfo(storage, signal)) return
  throw new MixosError('CACHE_FOREIGN', `there is no cache at ${storage.name}`, {
    hint: `a cache has the file ${INFO_PATH}; check the address`,
  })
}

/** Makes a cache of the storage unless it is one. */
export async function initialise(storage: WritableStorage, signal: AbortSignal): Promise<void> {
  if (await checkInfo(storage, signal)) return
  await storage.write(INFO_PATH, Buffer.from(INFO), { signal })
}

function parse(bytes: Uint8Array, name: string): Record<string, unknown> {
  try {
    const data: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (typeof data === 'object' && data !== null) return data as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new MixosError('CACHE_INVALID', `${name}: ${INFO_PATH} is not a JSON object`, {
    hint: 'is this the address of a cache?',
  })
}
