import { join } from 'node:path'
import { blake3Stream } from '../../graph/blake3.ts'
import type { StorePath } from '../../graph/store-path.ts'
import type { Host } from '../host.ts'
import type { ObjectRecord } from '../records.ts'
import type { Store } from '../store.ts'
import { type BlankFile, blanker, piecesOf, requireSame } from './blank.ts'
import {
  blankHash,
  FRAME_BYTES,
  type Frame,
  filesOf,
  type ObjectIndex,
  type Placed,
} from './object-index.ts'
import type { Packed, Packer } from './packer.ts'
import { release } from './release.ts'

// Small files compress better together, and cost a reader who wants one of them little.
const GROUP_BYTES = FRAME_BYTES / 4

/** A file that a cache has already, in an object that it has. */
export interface Reusable {
  readonly index: ObjectIndex
  readonly placed: Placed
}

/** The files of an object in a cache, by the hash of their bytes with blanks. */
export function reusableFiles(indexes: Iterable<ObjectIndex>): Map<string, Reusable> {
  const found = new Map<string, Reusable>()
  for (const index of indexes) {
    for (const [number, entry] of filesOf(index.manifest).entries()) {
      const placed = index.files[number] as Placed
      found.set(blankHash(entry, placed), { index, placed })
    }
  }
  return found
}

export interface PackedObject {
  readonly index: Promise<ObjectIndex>
  /** The objects of which it shares packs. */
  readonly versions: ReadonlySet<StorePath>
}

/**
 * Gives the packer all files of the object that the cache does not have. The object's index is known when the
 * packs have been written: the packer must be finished, or be given more, before that can be.
 */
export async function packObject(
  store: Store,
  { path, hash, manifest }: ObjectRecord,
  { packer, reusable }: { packer: Packer; reusable: ReadonlyMap<string, Reusable> },
): Promise<PackedObject> {
  const frames = new FrameList(store.host, packer)
  const known = new Map<string, Placed>()
  const blank = blanker(store.host, manifest.references)
  const files: Placed[] = []
  for (const entry of filesOf(manifest)) {
    const file = blank(join(store.hostPath(path), entry.path), entry)
    const same = known.get(file.hash) ?? reused(frames, entry.size, reusable.get(file.hash))
    const { frame, at } = same ?? (await frames.append(file, entry.size))
    const marks = file.marks.length > 0 && { marks: file.marks, blank: file.hash }
    const placed = { frame, at, ...marks }
    known.set(file.hash, placed)
    files.push(placed)
  }
  await frames.flush()
  const index = frames.settled().then(settled => ({ hash, path, manifest, ...settled, files }))
  // A failure is heard of by who awaits the index, perhaps later.
  index.catch(() => undefined)
  return { index, versions: frames.versions }
}

function reused(frames: FrameList, size: number, found: Reusable | undefined): Placed | undefined {
  if (!found) return undefined
  if (size === 0) return { frame: 0, at: 0 }
  const { index, placed } = found
  return { frame: frames.reuse(index, placed.frame, Math.ceil(size / FRAME_BYTES)), at: placed.at }
}

type Listed = Packed | { readonly size: number; readonly pack: string; readonly frame: Frame }

/** The frames of one object, some of them new. */
class FrameList {
  readonly #host: Host
  readonly #packer: Packer
  readonly #frames: (Listed | undefined)[] = []
  readonly #reused = new Map<string, number>()
  /** The objects whose frames are among them. */
  readonly versions = new Set<StorePath>()
  #group: Buffer[] = []
  #groupSize = 0
  /** The place that the group's frame is going to have. */
  #groupPlace = -1

  constructor(host: Host, packer: Packer) {
    this.#host = host
    this.#packer = packer
  }

  async append(file: BlankFile, size: number): Promise<{ frame: number; at: number }> {
    if (size === 0) return { frame: 0, at: 0 }
    const hasher = blake3Stream()
    if (size > GROUP_BYTES) {
      const frame = this.#frames.length
      for (const piece of piecesOf(this.#host, file.source)) {
        hasher.update(piece)
        this.#frames.push(await this.#packer.add(piece))
      }
      requireSame(file.source.path, file.hash, hasher.hex())
      return { frame, at: 0 }
    }
    if (this.#groupSize + size > GROUP_BYTES) await this.flush()
    if (this.#group.length === 0) this.#groupPlace = this.#frames.push(undefined) - 1
    const at = this.#groupSize
    for (const piece of piecesOf(this.#host, file.source)) {
      hasher.update(piece)
      this.#group.push(piece)
    }
    requireSame(file.source.path, file.hash, hasher.hex())
    this.#groupSize += size
    return { frame: this.#groupPlace, at }
  }

  /** Frames of packs that the cache has. Those of a large file must stay together. */
  reuse(index: ObjectIndex, first: number, count: number): number {
    const frame = index.frames[first] as Frame
    const key = `${index.packs[frame.pack]} ${frame.offset} ${count}`
    const known = this.#reused.get(key)
    if (known !== undefined) return known
    const place = this.#frames.length
    this.#reused.set(key, place)
    this.versions.add(index.path)
    for (const frame of index.frames.slice(first, first + count)) {
      this.#frames.push({ size: frame.size, pack: index.packs[frame.pack] as string, frame })
    }
    return place
  }

  async flush(): Promise<void> {
    if (this.#group.length === 0) return
    const bytes = Buffer.concat(this.#group)
    for (const piece of this.#group) release(piece)
    this.#group = []
    this.#groupSize = 0
    this.#frames[this.#groupPlace] = await this.#packer.add(bytes)
  }

  async settled(): Promise<Pick<ObjectIndex, 'packs' | 'frames'>> {
    const packs = new Map<string, number>()
    const placeOf = (pack: string): number => {
      const place = packs.get(pack) ?? packs.size
      packs.set(pack, place)
      return place
    }
    const frames: Frame[] = []
    for (const listed of this.#frames as Listed[]) {
      const { size } = listed
      const at = 'placed' in listed ? await listed.placed : { ...listed.frame, pack: listed.pack }
      frames.push({ pack: placeOf(at.pack), offset: at.offset, length: at.length, size })
    }
    return { packs: [...packs.keys()], frames }
  }
}
