import { MixosError } from '../../graph/error.ts'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { slotsOf } from '../slots.ts'
import { objectPath } from './layout.ts'
import { formatIndex, INDEX_LIMIT, leastSize, type ObjectIndex } from './object-index.ts'
import type { WritableStorage } from './storage.ts'

/** Writes each index when its packs are there, and after those of what its object refers to. */
export interface IndexWriter {
  write(path: StorePath, index: Promise<ObjectIndex>): void
  /**
   * False where one was refused, since a pack has gone meanwhile, and with it those that refer to it. Throws what else
   * kept any of them from being written.
   */
  finish(): Promise<boolean>
}

// So many share a sync, and take little memory; others take up to 64 MiB each.
const SMALL_WRITES = 512
const LARGE_WRITES = 4
const SMALL = 16 << 10

export function indexWriter(storage: WritableStorage, signal: AbortSignal): IndexWriter {
  const written = new Map<StorePath, Promise<boolean>>()
  const [small, large] = [slotsOf(SMALL_WRITES), slotsOf(LARGE_WRITES)]
  const writeLater = async (packed: Promise<ObjectIndex>): Promise<boolean> => {
    const index = await packed
    const before = index.manifest.references.map(reference => written.get(reference))
    if ((await Promise.all(before)).includes(false)) return false
    const writes = leastSize(index.manifest) < SMALL ? small : large
    return writes.run(0, () => {
      // Not before, since thousands may wait.
      const data = Buffer.from(formatIndex(index))
      requireReadable(index.path, data.length)
      return isTaken(storage.write(objectPath(digestOfPath(index.path)), data, { signal }))
    })
  }
  return {
    write: (path, packed) => {
      const done = writeLater(packed)
      // Whoever finishes hears of a failure.
      done.catch(() => undefined)
      written.set(path, done)
    },
    finish: async () => !(await Promise.all(written.values())).includes(false),
  }
}

async function isTaken(write: Promise<void>): Promise<boolean> {
  try {
    await write
    return true
  } catch (error) {
    if (error instanceof MixosError && error.code === 'CACHE_INCOMPLETE') return false
    throw error
  }
}

/** Throws OBJECT_INVALID for the object of an index that readers would not take. */
export function requireReadable(path: StorePath, size: number): void {
  if (size <= INDEX_LIMIT) return
  throw new MixosError(
    'OBJECT_INVALID',
    `${path} has so many files that no cache can hold it: its index has ${size} bytes, not at most ${INDEX_LIMIT}`,
    { hint: 'put its files into an archive, or into several objects' },
  )
}
