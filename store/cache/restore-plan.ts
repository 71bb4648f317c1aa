import { join } from 'node:path'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import type { LocalFiles } from './local-files.ts'
import {
  type FileEntry,
  FRAME_BYTES,
  filesOf,
  type ObjectIndex,
  type Placed,
} from './object-index.ts'
import type { CompressedFrame, LocalFile, RestoredFile } from './restore-files.ts'

/** How an object is put together: what is copied from here, and what is fetched. */
export interface RestorePlan {
  readonly local: readonly LocalFile[]
  readonly empty: readonly RestoredFile[]
  /** Each is one request. */
  readonly ranges: readonly Range[]
  /** Files that come in parts, each to be looked at when all of its own have come. */
  readonly large: readonly RestoredFile[]
}

/** Whether one request is best for both of these parts of a pack, of which `next` does not begin before the other. */
export function fits(
  { offset, length }: { readonly offset: number; readonly length: number },
  next: { readonly offset: number; readonly length: number },
): boolean {
  const end = offset + length
  return next.offset - end <= GAP && next.offset + next.length - offset <= RANGE_BYTES
}

export interface Range {
  /** BLAKE3 of the pack. */
  readonly pack: string
  readonly offset: number
  readonly length: number
  readonly frames: readonly CompressedFrame[]
}

// To fetch what lies between two frames costs less than one more request.
const GAP = 64 << 10
const RANGE_BYTES = 1 << 20

/** `target` is where the object is put together on this machine. */
export function planRestore(index: ObjectIndex, target: string, here: LocalFiles): RestorePlan {
  const local: LocalFile[] = []
  const empty: RestoredFile[] = []
  const large: RestoredFile[] = []
  const wanted = new Map<number, Wanted>()
  const want = (frame: number): Wanted => {
    const known = wanted.get(frame) ?? { files: [], parts: [] }
    wanted.set(frame, known)
    return known
  }
  for (const [number, entry] of filesOf(index.manifest).entries()) {
    const placed = index.files[number] as Placed
    const file = restored(entry, placed, { target, references: index.manifest.references })
    const found = entry.size === 0 ? undefined : here(entry, placed)
    if (entry.size === 0) empty.push(file)
    else if (found) local.push({ file, source: found.source })
    else if (entry.size <= FRAME_BYTES) want(placed.frame).files.push({ ...file, at: placed.at })
    else {
      large.push(file)
      for (let position = 0; position < entry.size; position += FRAME_BYTES) {
        want(placed.frame + position / FRAME_BYTES).parts.push({ target: file.target, position })
      }
    }
  }
  return { local, empty, large, ranges: rangesOf(index, wanted) }
}

interface Wanted {
  readonly files: (RestoredFile & { at: number })[]
  readonly parts: { target: string; position: number }[]
}

function restored(
  { path, size, executable, hash, self = [] }: FileEntry,
  { marks = [] }: Placed,
  { target, references }: { target: string; references: readonly StorePath[] },
): RestoredFile {
  const filled: { offset: number; digest: string }[] = []
  for (let index = 0; index < marks.length; index += 2) {
    const reference = references[marks[index + 1] as number] as StorePath
    filled.push({ offset: marks[index] as number, digest: digestOfPath(reference) })
  }
  return { target: join(target, path), size, executable, hash, self, marks: filled }
}

function rangesOf(index: ObjectIndex, wanted: ReadonlyMap<number, Wanted>): Range[] {
  const frames = [...wanted].map(([number, parts]) => {
    const { pack, ...place } = index.frames[number] as ObjectIndex['frames'][number]
    return { pack: index.packs[pack] as string, ...place, ...parts }
  })
  frames.sort((a, b) => (a.pack === b.pack ? a.offset - b.offset : a.pack < b.pack ? -1 : 1))
  const ranges: (Range & { length: number; frames: (typeof frames)[number][] })[] = []
  for (const frame of frames) {
    const last = ranges.at(-1)
    if (last?.pack === frame.pack && fits(last, frame)) {
      const end = frame.offset + frame.length
      last.frames.push(frame)
      Object.assign(last, { length: Math.max(last.length, end - last.offset) })
    } else {
      ranges.push({ pack: frame.pack, offset: frame.offset, length: frame.length, frames: [frame] })
    }
  }
  return ranges
}
