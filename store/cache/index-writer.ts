import { MixosError } from '../../graph/error.ts'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { slotsOf } from '../slots.ts'
import { objectPath } from './layout.ts'
import { formatIndex, INDEX_LIMIT, leastSize, type ObjectIndex } from './object-index.ts'
import type { WritableStorage } from './storage.ts'

/** Writes each index when its packs are there, and after those of what its object refers to. */
export interface IndexWriter {
  write(path: StorePath, index: Promise<ObjectIndex>): void
  /** Throws what kept any of them from being written. */
  finish(): Promise<void>
}

// So many share a sync, and take little memory; others take up to 64 MiB each.
const SMALL_WRITES = 512
const LARGE_WRITES = 4
const SMALL = 16 << 10

export function indexWriter(storage: WritableStorage, signal: AbortSignal): IndexWriter {
  const written = new Map<StorePath, Promise<void>>()
  const [small, large] = [slotsOf(SMALL_WRITES), slotsOf(LARGE_WRITES)]
  const writeLater = async (packed: Promise<ObjectIndex>): Promise<void> => {
    const index = await packed
    await Promise.all(index.manifest.references.map(reference => written.get(reference)))
    const writes = leastSize(index.manifest) < SMALL ? small : large
    await writes.run(0, () => {
      // Not before, since thousands may wait.
      const data = Buffer.from(formatIndex(index))
      requireReadable(index.path, data.length)
      return storage.write(objectPath(digestOfPath(index.path)), data, { signal })
    })
  }
  return {
    write: (path, packed) => {
      const done = writeLater(packed)
      // Whoever finishes hears of a failure.
      done.catch(() => undefined)
      written.set(path, done)
    },
    finish: async () => void (await Promise.all(written.values())),
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
