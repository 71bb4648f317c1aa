import { blake3Hex } from './blake3.ts'
import { MixosError } from './error.ts'
import { framed } from './framed.ts'
import { isCount, isHash, isRecord } from './json.ts'
import { escaped, shown } from './shown.ts'
import {
  DIGEST_LENGTH,
  isLabel,
  type ObjectHash,
  parseStorePath,
  type StorePath,
} from './store-path.ts'

/**
 * One node of an object's tree. `path` is relative to the object, '' for the object itself.
 * `self` lists the byte offsets at which the object's own digest stands, left out where there are none;
 * in `hash` and `target`, SELF_PLACEHOLDER stands there instead.
 */
export type Entry =
  | { readonly path: string; readonly type: 'directory' }
  | {
      readonly path: string
      readonly type: 'file'
      readonly executable: boolean
      readonly size: number
      /** BLAKE3 of the bytes, in hexadecimal. */
      readonly hash: string
      readonly self?: readonly number[]
    }
  | {
      readonly path: string
      readonly type: 'symlink'
      readonly target: string
      readonly self?: readonly number[]
    }

/** An object as data: two objects are the same object exactly if their manifests are. */
export interface Manifest {
  /** `<name>-<version>`, part of the object's identity because it is part of its path. */
  readonly label: string
  /** Objects named inside this one, sorted, itself left out. */
  readonly references: readonly StorePath[]
  /** Sorted by path, bytewise; parents come before children. */
  readonly entries: readonly Entry[]
}

/** What stands in for the object's own digest while it is hashed: of equal length, outside the alphabet. */
export const SELF_PLACEHOLDER = 'e'.repeat(DIGEST_LENGTH)

const FORMAT = 'mixos-object-1'

/** What was got: BLAKE3 over the length-framed fields of the manifest. */
export function hashManifest(manifest: Manifest): ObjectHash {
  let text = `${FORMAT}\n${framed(manifest.label)}`
  for (const reference of manifest.references) text += `r${framed(reference)}`
  for (const entry of manifest.entries) text += encode(entry)
  return blake3Hex(text) as ObjectHash
}

/** Bytes of all files together. */
export function sizeOf(manifest: Manifest): number {
  let total = 0
  for (const entry of manifest.entries) if (entry.type === 'file') total += entry.size
  return total
}

function encode(entry: Entry): string {
  const self = (entry.type !== 'directory' && entry.self?.join(',')) || ''
  switch (entry.type) {
    case 'directory':
      return `d${framed(entry.path)}`
    case 'file':
      return `${entry.executable ? 'x' : 'f'}${framed(entry.path)}${entry.size}:${framed(entry.hash)}${framed(self)}`
    case 'symlink':
      return `l${framed(entry.path)}${framed(entry.target)}${framed(self)}`
  }
}

/** Order of UTF-8 bytes, which differs from JavaScript's order only where surrogates are involved. */
export function comparePaths(a: string, b: string): number {
  if (a === b) return 0
  return SURROGATE.test(a) || SURROGATE.test(b)
    ? Buffer.compare(Buffer.from(a), Buffer.from(b))
    : a < b
      ? -1
      : 1
}
const SURROGATE = /[\ud800-\udfff]/

/** True for one component of a path inside an object. */
export function isEntryName(name: string): boolean {
  return (
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    !/[/\p{Cc}]/u.test(name) &&
    name.isWellFormed() &&
    Buffer.byteLength(name) <= 255
  )
}

/**
 * Checks foreign data to be a manifest in canonical form. Throws RECORD_INVALID naming `where` and the
 * first thing that is wrong: names, order, parents, numbers, or a field that does not belong.
 */
export function parseManifest(data: unknown, where: string): Manifest {
  const refuse: Refuse = what => {
    throw new MixosError('RECORD_INVALID', `${where}: ${what}`)
  }
  const record = isRecord(data) ? data : refuse('expected an object')
  const label = isLabel(record.label)
    ? record.label
    : refuse(`invalid label ${shown(record.label)}`)
  const references = listOf(record.references, refuse).map(item =>
    typeof item === 'string' && !item.startsWith('/')
      ? (parseStorePath(item) ?? refuse(`invalid reference ${shown(item)}`))
      : refuse(`invalid reference ${shown(item)}`),
  )
  for (const [index, reference] of references.entries()) {
    if (index > 0 && (references[index - 1] as string) >= reference)
      refuse(`references are not sorted at ${reference}`)
  }
  const kinds = new Map<string, Entry['type']>()
  let previous: string | undefined
  const entries = listOf(record.entries, refuse).map(item => {
    const entry = parseEntry(item, refuse)
    if (previous !== undefined && comparePaths(previous, entry.path) >= 0)
      refuse(`entries are not sorted at ${escaped(entry.path)}`)
    if (previous === undefined && entry.path !== '')
      refuse('the first entry is not the object itself')
    if (entry.path !== '' && kinds.get(parentOf(entry.path)) !== 'directory')
      refuse(`${escaped(entry.path)} has no parent directory`)
    kinds.set(entry.path, entry.type)
    previous = entry.path
    return entry
  })
  if (entries.length === 0) refuse('it has no entries')
  return { label, references, entries }
}

function parseEntry(item: unknown, refuse: Refuse): Entry {
  const raw = isRecord(item) ? item : refuse('an entry is not an object')
  const path = typeof raw.path === 'string' ? raw.path : refuse('an entry has no path')
  if (path !== '' && !path.split('/').every(isEntryName)) refuse(`invalid path ${shown(path)}`)
  const entry = parseNode(path, raw, refuse)
  // All fields of the entry are there, so an equal number means that there are no others.
  if (Object.keys(raw).length !== Object.keys(entry).length)
    refuse(`${escaped(path)}: unknown field among ${escaped(Object.keys(raw).join(', '))}`)
  return entry
}

function parseNode(path: string, raw: Record<string, unknown>, refuse: Refuse): Entry {
  const { type } = raw
  if (type === 'directory') return { path, type }
  if (type === 'symlink') {
    const { target } = raw
    if (!isTarget(target)) return refuse(`${escaped(path)}: invalid symlink target`)
    const bytes = Buffer.from(target)
    const self = selfOf(raw.self, path, bytes.length, refuse)
    for (const offset of self?.self ?? []) {
      if (bytes.toString('latin1', offset, offset + DIGEST_LENGTH) !== SELF_PLACEHOLDER)
        refuse(`${escaped(path)}: invalid offset ${offset}`)
    }
    return { path, type, target, ...self }
  }
  if (type !== 'file') return refuse(`${escaped(path)}: unknown type ${shown(type)}`)
  const { executable, size, hash } = raw
  if (typeof executable !== 'boolean')
    return refuse(`${escaped(path)}: executable is not a boolean`)
  if (!isCount(size)) return refuse(`${escaped(path)}: invalid size ${shown(size)}`)
  if (!isHash(hash)) return refuse(`${escaped(path)}: invalid hash`)
  return { path, type, executable, size, hash, ...selfOf(raw.self, path, size, refuse) }
}

/** Offsets at which a digest fits, in order and without overlap. */
function selfOf(
  data: unknown,
  path: string,
  size: number,
  refuse: Refuse,
): { self: number[] } | undefined {
  if (data === undefined) return undefined
  const self = listOf(data, refuse)
  if (self.length === 0) refuse(`${escaped(path)}: a list of no offsets`)
  let free = 0
  for (const offset of self) {
    if (!isCount(offset) || offset < free || offset + DIGEST_LENGTH > size)
      return refuse(`${escaped(path)}: invalid offset ${shown(offset)}`)
    free = offset + DIGEST_LENGTH
  }
  return { self: self as number[] }
}

type Refuse = (what: string) => never

const isTarget = (data: unknown): data is string =>
  typeof data === 'string' &&
  data !== '' &&
  !data.includes('\0') &&
  data.isWellFormed() &&
  Buffer.byteLength(data) <= 4095
const listOf = (data: unknown, refuse: Refuse): unknown[] =>
  Array.isArray(data) ? data : refuse('expected a list')
const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))
