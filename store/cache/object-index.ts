import { MixosError } from '../../graph/error.ts'
import { isCount, isHash, isRecord } from '../../graph/json.ts'
import { type Entry, hashManifest, type Manifest, parseManifest } from '../../graph/manifest.ts'
import { escaped, shown } from '../../graph/shown.ts'
import {
  DIGEST_LENGTH,
  type ObjectHash,
  type StorePath,
  storePathOf,
} from '../../graph/store-path.ts'

/**
 * An object as a cache holds it: what it is, which its hash confirms, and where its bytes are, which nothing
 * confirms before they have been read.
 *
 * Files are cut into frames, each compressed by itself, so that any of them can be fetched alone. A frame holds
 * small files one after the other, or a part of a large one.
 */
export interface ObjectIndex {
  readonly hash: ObjectHash
  readonly path: StorePath
  readonly manifest: Manifest
  /** BLAKE3 of each pack. */
  readonly packs: readonly string[]
  readonly frames: readonly Frame[]
  /** Of each regular file, in the order of the manifest. */
  readonly files: readonly Placed[]
}

/** Bytes of an index. It names each file of its object, so this is some hundred thousand files. */
export const INDEX_LIMIT = 64 << 20

export interface Frame {
  /** Its place in `packs`. */
  readonly pack: number
  /** Where it begins in the pack. */
  readonly offset: number
  /** Compressed bytes. */
  readonly length: number
  /** Bytes when decompressed. */
  readonly size: number
}

/**
 * Where a file's bytes are. In them, the digests of the object itself and of those that it refers to are blank,
 * so that two versions of an object share what differs in nothing else.
 */
export interface Placed {
  /** Its place in `frames`; a file of more than FRAME_BYTES has as many in a row as it takes, for itself. */
  readonly frame: number
  /** Where it begins in the decompressed frame. */
  readonly at: number
  /** Where it names another object: pairs of an offset and of a place in the manifest's references. */
  readonly marks?: readonly number[]
  /** BLAKE3 of the bytes with blanks; left out where it is the hash in the manifest. */
  readonly blank?: string
}

export type FileEntry = Extract<Entry, { type: 'file' }>

export const FRAME_BYTES = 1 << 20
// A pack is written and read as a whole by some storages, so it must fit in memory several times.
export const PACK_BYTES = 32 << 20

const FORMAT = 'mixos-cache-object-1'

export function filesOf({ entries }: Manifest): FileEntry[] {
  return entries.filter(entry => entry.type === 'file')
}

/** BLAKE3 of a file's bytes as a pack holds them: equal for files that differ only in the digests they name. */
export function blankHash(entry: FileEntry, placed: Placed): string {
  return placed.blank ?? entry.hash
}

export function formatIndex({ manifest, packs, frames, files }: ObjectIndex): string {
  const lines = (items: readonly unknown[]): string =>
    `[\n${items.map(item => JSON.stringify(item)).join(',\n')}\n]`
  const { label, references, entries } = manifest
  const head = JSON.stringify({ format: FORMAT, label, references, packs }).slice(0, -1)
  const rows = frames.map(({ pack, offset, length, size }) => [pack, offset, length, size])
  return `${head},"entries":${lines(entries)},"frames":${lines(rows)},"files":${lines(files)}}\n`
}

/** Bytes that its index has, or more: what is told by the manifest alone. */
export function leastSize({ entries }: Manifest): number {
  return entries.reduce(
    (sum, { type, path }) => sum + path.length + (type === 'file' ? FILE_TEXT.length : 0),
    0,
  )
}
const LEAST_ENTRY = { path: '', type: 'file', executable: true, size: 0, hash: '0'.repeat(64) }
const FILE_TEXT = JSON.stringify(LEAST_ENTRY) + JSON.stringify({ frame: 0, at: 0 })

/**
 * The index of the wanted object. Throws CACHE_INVALID, naming `where` and what is wrong, for anything that
 * formatIndex would not have written, and for the index of another object.
 */
export function parseIndex(bytes: Uint8Array, path: StorePath, where: string): ObjectIndex {
  return parse(bytes, where, path)
}

/** The same for an index of whatever object. */
export function parseAnyIndex(bytes: Uint8Array, where: string): ObjectIndex {
  return parse(bytes, where)
}

function parse(bytes: Uint8Array, where: string, expected?: StorePath): ObjectIndex {
  const refuse: Refuse = (what, cause) => {
    throw new MixosError('CACHE_INVALID', `${where}: ${what}`, { cause })
  }
  if (!isSparse(bytes)) refuse('it has more lists and fields than an index of its size')
  const data = recordOf(parseJson(bytes, refuse), refuse)
  if (data.format !== FORMAT) refuse(`expected the format ${FORMAT}, got ${shown(data.format)}`)
  const manifest = manifestOf(data, where, refuse)
  const hash = hashManifest(manifest)
  const path = storePathOf(hash, manifest.label)
  // Before its files are looked at, since with sizes of anyone's choice that can take for ever.
  if (expected !== undefined && path !== expected)
    refuse(`expected the object ${expected}, got ${path}`)
  const packs = listOf(data.packs, refuse).map(pack =>
    isHash(pack) ? pack : refuse('invalid pack'),
  )
  const frames = listOf(data.frames, refuse).map(row => frameOf(row, packs.length, refuse))
  const runs = runsOf(frames)
  const entries = filesOf(manifest)
  const rows = listOf(data.files, refuse)
  if (rows.length !== entries.length)
    refuse(`it has ${entries.length} files, and places of ${rows.length}`)
  const files = entries.map((entry, index) =>
    placedOf(rows[index], {
      entry,
      frames: { frames, runs },
      references: manifest.references.length,
      refuse,
    }),
  )
  return { hash, path, manifest, packs, frames, files }
}

/**
 * What JSON makes of a list of nothing takes ten times its text, and of a field not much less; so
 * they are counted before it is parsed. In an index, none takes less than this with what is in it.
 */
function isSparse(bytes: Uint8Array): boolean {
  let count = 0
  let isText = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) isText = !isText
    else if (isText) at += byte === BACKSLASH ? 1 : 0
    else if (byte === LIST || byte === OBJECT || byte === COLON) count++
  }
  return count * LEAST_TEXT <= bytes.length + SPARE
}
const [QUOTE, BACKSLASH, LIST, OBJECT, COLON] = [0x22, 0x5c, 0x5b, 0x7b, 0x3a]
// `{"frame":0,"at":0},` are three.
const LEAST_TEXT = 6
const SPARE = 4096

type Refuse = (what: string, cause?: unknown) => never

function parseJson(bytes: Uint8Array, refuse: Refuse): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError)
      return refuse('it is not JSON', error)
    throw error
  }
}

function manifestOf(data: Record<string, unknown>, where: string, refuse: Refuse): Manifest {
  const { label, references, entries } = data
  try {
    return parseManifest({ label, references, entries }, where)
  } catch (error) {
    if (error instanceof MixosError) return refuse('its manifest is invalid', error)
    throw error
  }
}

function frameOf(row: unknown, packs: number, refuse: Refuse): Frame {
  const numbers = listOf(row, refuse)
  if (numbers.length !== 4 || !numbers.every(isCount)) return refuse('invalid frame')
  const [pack, offset, length, size] = numbers as [number, number, number, number]
  if (pack >= packs) refuse(`a frame is in pack ${pack} of ${packs}`)
  // What does not become smaller by compression grows by less than this.
  if (size === 0 || size > FRAME_BYTES || length === 0 || length > 2 * FRAME_BYTES)
    refuse(`a frame has ${length} bytes that stand for ${size}`)
  if (offset + length > 2 * PACK_BYTES) refuse(`a frame ends at ${offset + length}`)
  return { pack, offset, length, size }
}

interface Context {
  readonly entry: FileEntry
  readonly frames: Frames
  readonly references: number
  readonly refuse: Refuse
}

interface Frames {
  readonly frames: readonly Frame[]
  /** How many full frames there are in a row, from each on. */
  readonly runs: readonly number[]
}

function runsOf(frames: readonly Frame[]): number[] {
  const runs: number[] = new Array(frames.length)
  for (let index = frames.length - 1; index >= 0; index--) {
    runs[index] = frames[index]?.size === FRAME_BYTES ? 1 + (runs[index + 1] ?? 0) : 0
  }
  return runs
}

function placedOf(row: unknown, { entry, frames, references, refuse }: Context): Placed {
  const { frame, at, marks, blank, ...others } = recordOf(row, refuse)
  const { path, size } = entry
  if (Object.keys(others).length > 0)
    refuse(`${escaped(path)}: unknown field ${shown(Object.keys(others)[0])}`)
  if (!isCount(frame) || !isCount(at)) return refuse(`${escaped(path)}: invalid place`)
  if (size > 0 && !isCovered(frames, { frame, at, size }))
    refuse(`${escaped(path)}: its ${size} bytes are not at ${at} of frame ${frame}`)
  if (marks === undefined && blank === undefined) return { frame, at }
  if (!isHash(blank)) return refuse(`${escaped(path)}: invalid hash of its blanks`)
  return { frame, at, marks: marksOf(marks, { size, references, path, refuse }), blank }
}

function isCovered(
  { frames, runs }: Frames,
  { frame, at, size }: { frame: number; at: number; size: number },
): boolean {
  if (size <= FRAME_BYTES) return at + size <= (frames[frame]?.size ?? 0)
  const full = Math.ceil(size / FRAME_BYTES) - 1
  const rest = ((size - 1) % FRAME_BYTES) + 1
  return at === 0 && (runs[frame] ?? 0) >= full && frames[frame + full]?.size === rest
}

function marksOf(
  data: unknown,
  {
    size,
    references,
    path,
    refuse,
  }: { size: number; references: number; path: string; refuse: Refuse },
): number[] {
  const marks = listOf(data, refuse)
  if (marks.length === 0 || marks.length % 2 !== 0 || !marks.every(isCount))
    return refuse(`${escaped(path)}: invalid marks`)
  let free = 0
  for (let index = 0; index < marks.length; index += 2) {
    const [offset, reference] = [marks[index] as number, marks[index + 1] as number]
    if (offset < free || offset + DIGEST_LENGTH > size || reference >= references)
      refuse(`${escaped(path)}: invalid mark at ${offset}`)
    free = offset + DIGEST_LENGTH
  }
  return marks as number[]
}

const listOf = (data: unknown, refuse: Refuse): unknown[] =>
  Array.isArray(data) ? data : refuse('expected a list')
const recordOf = (data: unknown, refuse: Refuse): Record<string, unknown> =>
  isRecord(data) ? data : refuse('expected an object')
