import type { ExecutionContext } from 'ava'
import { generateKey } from '../../store/cache/keys.ts'
import { push } from '../../store/cache/push.ts'
import type { WritableStorage } from '../../store/cache/storage.ts'
import { memoryStorage } from '../../store/cache/storages/memory.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { tracesOf } from '../../store/realize/known.ts'
import { realize } from '../../store/realize.ts'
import type { Store } from '../../store/store.ts'
import { filesStep, infoStep, quietly, tempStore } from './temp-store.ts'

export const signer = generateKey(nodeHost, 'colleague')
const { signal } = new AbortController()
const library = filesStep('library', { 'lib/a': 'text' })
/** Its object refers to that of its only input. */
export const program = infoStep('program', { library })

/** A cache in memory that holds `program` and all that it was made from: two objects, three traces. */
export async function sharedCache(t: ExecutionContext): Promise<{
  store: Store
  files: Map<string, Uint8Array>
  storage: WritableStorage
  /** Gives how many steps were signed anew. */
  pushAgain: (storage?: WritableStorage) => Promise<number>
}> {
  const store = tempStore(t)
  await realize(store, [program], quietly())
  const files = new Map<string, Uint8Array>()
  const storage = memoryStorage(files)
  const pushAgain = async (to = storage): Promise<number> => {
    const options = { key: signer, signal, report: () => undefined }
    return (await push(store, to, tracesOf(store, [program]), options)).signed
  }
  await pushAgain()
  return { store, files, storage, pushAgain }
}

/** The path of the one file below `prefix` whose text matches. */
export function fileOf(
  files: ReadonlyMap<string, Uint8Array>,
  prefix: string,
  pattern: RegExp,
): string {
  const found = [...files].filter(
    ([path, data]) => path.startsWith(prefix) && pattern.test(Buffer.from(data).toString('latin1')),
  )
  return found[0]?.[0] ?? ''
}
