import { parseTarget } from './serve/target.ts'
import type { StoredFile, WritableStorage } from './storage.ts'

/** The files of one kind in a cache. Whatever else lies there is not ours, to be neither judged nor deleted. */
export async function listed(
  storage: WritableStorage,
  kind: 'trace' | 'object' | 'pack',
  signal: AbortSignal,
): Promise<StoredFile[]> {
  const all = await Array.fromAsync(storage.list(`${kind}/`, { signal }))
  return all.filter(({ path }) => parseTarget(`/${path}`)?.kind === kind)
}
