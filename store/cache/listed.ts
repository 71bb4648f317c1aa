import type { StoredFile, WritableStorage } from './storage.ts'

const FORMS = {
  trace: /^trace\/[0-9a-f]{64}\/[0-9a-f]{32}\.json$/,
  object: /^object\/[0-9a-z]{32}\.json$/,
  pack: /^pack\/[0-9a-f]{64}\.pack$/,
}

/** The files of one kind in a cache. Whatever else lies there is not ours, to be neither judged nor deleted. */
export async function listed(
  storage: WritableStorage,
  kind: keyof typeof FORMS,
  signal: AbortSignal,
): Promise<StoredFile[]> {
  const all = await Array.fromAsync(storage.list(`${kind}/`, { signal }))
  return all.filter(({ path }) => FORMS[kind].test(path))
}
