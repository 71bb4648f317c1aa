import { MixosError } from '../graph/error.ts'
import { parseJsonObject } from '../graph/json.ts'
import { hashManifest, type Manifest, parseManifest, sizeOf } from '../graph/manifest.ts'
import {
  type Digest,
  digestOf,
  type ObjectHash,
  parseHash,
  type StorePath,
  storePathOf,
} from '../graph/store-path.ts'

/** What makes a directory under `store/` an object: without a record, it does not exist. */
export interface ObjectRecord {
  readonly path: StorePath
  readonly hash: ObjectHash
  /** Bytes of all files together. */
  readonly size: number
  readonly manifest: Manifest
}

const FORMAT = 'mixos-object-record-1'

/** The record of an object with that manifest. */
export function newRecord(
  manifest: Manifest,
  hash: ObjectHash = hashManifest(manifest),
): ObjectRecord {
  return { path: storePathOf(hash, manifest.label), hash, size: sizeOf(manifest), manifest }
}

/** One line for the head, then one line for each entry: small to diff, quick to parse. */
export function formatRecord(record: ObjectRecord): string {
  const { label, references, entries } = record.manifest
  const head = { format: FORMAT, hash: record.hash, size: record.size, label, references }
  return `${JSON.stringify(head).slice(0, -1)},"entries":[\n${entries.map(entry => JSON.stringify(entry)).join(',\n')}\n]}\n`
}

/**
 * Throws RECORD_INVALID, naming the file, for what formatRecord would not have written: a broken manifest,
 * or one whose hash is not the recorded one, or a record under another object's digest.
 */
export function parseRecord(text: string, digest: Digest, where: string): ObjectRecord {
  const data = parseJson(text, where)
  if (data.format !== FORMAT)
    throw invalid(where, `expected the format ${FORMAT}, got ${JSON.stringify(data.format)}`)
  const manifest = parseManifest(data, where)
  const record = newRecord(manifest)
  const recorded = parseHash<ObjectHash>(data.hash, where)
  if (recorded !== record.hash)
    throw invalid(where, `the manifest hashes to b3:${record.hash}, the record says b3:${recorded}`)
  if (digestOf(record.hash) !== digest) throw invalid(where, `it is the record of ${record.path}`)
  if (data.size !== record.size)
    throw invalid(
      where,
      `its files have ${record.size} bytes, the record says ${JSON.stringify(data.size)}`,
    )
  return record
}

/** What most readers of a record want to know of it. */
export interface RecordHead {
  readonly hash: ObjectHash
  /** Bytes of all files together. */
  readonly size: number
  readonly references: readonly StorePath[]
}

/** Reads the first line alone. It was written with the rest and is not checked against it: the command verify does. */
export function parseHead(text: Buffer, digest: Digest, where: string): RecordHead {
  const end = text.indexOf(',"entries":[\n')
  if (end < 0) throw invalid(where, 'it has no entries')
  const data = parseJson(`${text.toString('utf8', 0, end)}}`, where)
  if (data.format !== FORMAT)
    throw invalid(where, `expected the format ${FORMAT}, got ${JSON.stringify(data.format)}`)
  const { references } = parseManifest(
    { ...data, entries: [{ path: '', type: 'directory' }] },
    where,
  )
  const hash = parseHash<ObjectHash>(data.hash, where)
  if (digestOf(hash) !== digest) throw invalid(where, `it is the record of b3:${hash}`)
  const { size } = data
  if (!Number.isSafeInteger(size)) throw invalid(where, `invalid size ${JSON.stringify(size)}`)
  return { hash, size: size as number, references }
}

/** A JSON object of a record file. Throws RECORD_INVALID naming the file. */
export function parseJson(text: string, where: string): Record<string, unknown> {
  return parseJsonObject(text, what => {
    throw invalid(where, what)
  })
}

function invalid(where: string, what: string): MixosError {
  return new MixosError('RECORD_INVALID', `${where}: ${what}`)
}
