import { setImmediate } from 'node:timers/promises'
import { MixosError } from '../../graph/error.ts'
import type { Slots } from '../slots.ts'
import { packPath } from './layout.ts'
import { release } from './release.ts'
import { fits } from './restore-plan.ts'
import type { CacheStorage } from './storage.ts'

/** Reads parts of packs, whoever asks for however many at once: the frames of small objects lie side by side. */
export interface PackReader {
  /**
   * Resolves when `use` has, which gets the bytes for itself, where they are in the cache for messages. Throws
   * CACHE_INCOMPLETE and CACHE_INVALID, besides what the storage and `use` do.
   */
  read(storage: CacheStorage, part: PackPart, options: PackReadOptions): Promise<void>
}

export interface PackPart {
  /** BLAKE3 of the pack. */
  readonly pack: string
  readonly offset: number
  readonly length: number
}

export interface PackReadOptions {
  readonly signal: AbortSignal
  use(bytes: Uint8Array, where: string): Promise<void>
}

interface Asked extends PackReadOptions {
  readonly part: PackPart
  readonly done: PromiseWithResolvers<void>
}

const readers = new WeakMap<Slots, PackReader>()

/** All who share these places share one reader. */
export function packReaderWith(downloads: Slots): PackReader {
  const reader = readers.get(downloads) ?? packReader(downloads)
  readers.set(downloads, reader)
  return reader
}

/** What waits for a place in `downloads`, or came at the same moment, is read at once where it lies close together. */
function packReader(downloads: Slots): PackReader {
  const waiting = new Map<CacheStorage, Map<string, Asked[]>>()

  const takeNext = async (storage: CacheStorage, pack: string): Promise<void> => {
    // Others may ask in this very moment.
    await setImmediate()
    const ofStorage = waiting.get(storage)
    const asked = ofStorage?.get(pack) ?? []
    const { group, rest } = neighbours(asked)
    if (rest.length > 0) ofStorage?.set(pack, rest)
    else ofStorage?.delete(pack)
    if (ofStorage?.size === 0) waiting.delete(storage)
    if (group.length > 0) await readGroup(storage, group)
  }
  return {
    read: (storage, part, options) => {
      const ofStorage = waiting.get(storage) ?? new Map<string, Asked[]>()
      waiting.set(storage, ofStorage)
      const ofPack = ofStorage.get(part.pack) ?? []
      ofStorage.set(part.pack, ofPack)
      const done = Promise.withResolvers<void>()
      ofPack.push({ ...options, part, done })
      downloads.run(0, () => takeNext(storage, part.pack))
      return done.promise
    },
  }
}

/** The first of those in a pack, with those behind it that fit into one request. */
function neighbours(asked: readonly Asked[]): { group: Asked[]; rest: Asked[] } {
  const sorted = asked.toSorted((a, b) => a.part.offset - b.part.offset)
  const [first] = sorted
  if (!first) return { group: [], rest: [] }
  const group = [first]
  let range = first.part
  for (const next of sorted.slice(1)) {
    if (next.signal !== first.signal || !fits(range, next.part)) break
    group.push(next)
    const end = Math.max(range.offset + range.length, next.part.offset + next.part.length)
    range = { ...range, length: end - range.offset }
  }
  return { group, rest: sorted.slice(group.length) }
}

async function readGroup(storage: CacheStorage, group: readonly Asked[]): Promise<void> {
  const [first] = group as [Asked]
  const { pack, offset } = first.part
  const end = Math.max(...group.map(({ part }) => part.offset + part.length))
  const where = `${storage.name}: ${packPath(pack)}`
  const give = async ({ use, done }: Asked, bytes: Uint8Array): Promise<void> =>
    use(bytes, where).then(done.resolve, done.reject)
  let bytes: Uint8Array
  try {
    bytes = await readPart(storage, { pack, offset, length: end - offset }, first.signal)
  } catch (error) {
    const isWrong = error instanceof MixosError && error.code === 'CACHE_INVALID'
    // One of them may ask for what is not there: the others are not to blame.
    if (isWrong && group.length > 1) for (const asked of group) await readGroup(storage, [asked])
    else for (const { done } of group) done.reject(error)
    return
  }
  if (group.length === 1) return give(first, bytes)
  // Each its own: whoever has used one gives its memory back.
  const uses = group.map(asked => {
    const from = asked.part.offset - offset
    return give(asked, new Uint8Array(bytes.subarray(from, from + asked.part.length)))
  })
  release(bytes)
  await Promise.all(uses)
}

async function readPart(
  storage: CacheStorage,
  { pack, offset, length }: PackPart,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const path = packPath(pack)
  const where = `${storage.name}: ${path}`
  const bytes = await storage.read(path, { signal, limit: length, range: { offset, length } })
  if (!bytes) throw new MixosError('CACHE_INCOMPLETE', `${where} is missing`)
  if (bytes.length === length) return bytes
  const message = `${where}: expected ${length} bytes at ${offset}, got ${bytes.length}`
  throw new MixosError('CACHE_INVALID', message)
}
