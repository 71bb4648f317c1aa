import { MixosError } from '../../../graph/error.ts'
import { FileTooLarge, type WritableStorage } from '../storage.ts'
import { checkPath, checkPrefix } from './path.ts'

/** Files in memory, for tests. */
export function memoryStorage(files = new Map<string, Uint8Array>()): WritableStorage {
  const check = (path: string, { signal }: { readonly signal: AbortSignal }): void => {
    signal.throwIfAborted()
    checkPath(path)
  }
  return {
    name: 'memory:',
    read: async (path, options) => {
      check(path, options)
      const { range, limit } = options
      const data = files.get(path)
      const end = range && range.offset + range.length
      if (data && (end ?? 0) > data.length)
        throw new MixosError('CACHE_INVALID', `${path} has ${data.length} bytes`)
      if (data && (range?.length ?? data.length) > limit)
        throw new FileTooLarge(`${path} has ${data.length} bytes`)
      return data && Uint8Array.from(data.subarray(range?.offset, end))
    },
    has: async (path, options) => {
      check(path, options)
      return files.has(path)
    },
    write: async (path, data, options) => {
      check(path, options)
      files.set(path, data)
    },
    list: async function* (prefix, { signal }) {
      checkPrefix(prefix)
      for (const [path, data] of files) {
        signal.throwIfAborted()
        if (path.startsWith(prefix)) yield { path, size: data.length, modified: 0 }
      }
    },
    remove: async (path, options) => {
      check(path, options)
      files.delete(path)
    },
    close: async () => undefined,
  }
}
