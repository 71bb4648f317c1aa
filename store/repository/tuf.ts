import { createHash, sign, verify } from 'node:crypto'
import { isHash, isRecord } from '../../graph/json.ts'
import { publicKeyObject, type SecretKey } from '../cache/keys.ts'

/** The roles of The Update Framework, version 1.0. */
export const ROLES = ['root', 'targets', 'snapshot', 'timestamp'] as const
export type Role = (typeof ROLES)[number]

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [k: string]: Json }

/** Fields that every role's metadata has. */
export interface Signed {
  readonly _type: Role
  readonly version: number
  /** `2026-01-31T23:59:59Z`. */
  readonly expires: string
  readonly [field: string]: Json
}

export interface TufKey {
  readonly keytype: 'ed25519'
  readonly scheme: 'ed25519'
  readonly keyval: { readonly public: string }
  readonly [field: string]: Json
}

const SPECIFICATION = '1.0.31'

export function signedOf(role: Role, version: number, expires: number, rest: Json): Signed {
  const date = `${new Date(expires).toISOString().slice(0, 19)}Z`
  const head = { _type: role, spec_version: SPECIFICATION, version, expires: date }
  return { ...head, ...(rest as { readonly [field: string]: Json }) }
}

/** The text of a metadata file. A key signs once, whatever roles it has. */
export function signMetadata(signed: Signed, keys: readonly SecretKey[]): Buffer {
  const data = Buffer.from(canonical(signed))
  const byId = new Map(keys.map(key => [tufKeyId(tufKeyOf(key)), key]))
  const signatures = [...byId].sort(byText).map(([keyid, key]) => ({
    keyid,
    sig: sign(null, data, key.object).toString('hex'),
  }))
  return Buffer.from(`${JSON.stringify({ signatures, signed }, undefined, 1)}\n`)
}

/** A metadata file as it was read: nothing of it is believed before `isSignedFor`. */
export interface Metadata {
  readonly signed: Signed
  readonly signatures: readonly Json[]
}

/** True where as many of the keys that the root metadata names for the role have signed as it asks for. */
export function isSignedFor(role: Role, metadata: Metadata, root: Signed): boolean {
  const { keyids, threshold } = fieldsOf(fieldsOf(root.roles)[role])
  if (!Array.isArray(keyids) || typeof threshold !== 'number' || threshold < 1) return false
  const keys = Object.entries(fieldsOf(root.keys)).filter(([id]) => keyids.includes(id))
  return signersAmong(keys, metadata) >= threshold
}

/** True where one of these keys has signed. */
export function isSignedByAny(keys: readonly SecretKey[], metadata: Metadata): boolean {
  const known = keys.map(tufKeyOf).map(key => [tufKeyId(key), key] as const)
  return signersAmong(known, metadata) > 0
}

/** How many of these keys, by id, have signed. */
function signersAmong(
  keys: readonly (readonly [id: string, key: Json | undefined])[],
  { signed, signatures }: Metadata,
): number {
  const data = Buffer.from(canonical(signed))
  const byId = new Map(keys)
  const signers = new Set<string>()
  for (const signature of signatures) {
    const { keyid, sig } = fieldsOf(signature)
    const key = typeof keyid === 'string' ? byId.get(keyid) : undefined
    // An id is the hash of its key: else another's key could be called ours.
    if (key === undefined || tufKeyId(key) !== keyid) continue
    if (typeof sig !== 'string' || !/^[0-9a-f]{128}$/.test(sig)) continue
    const hex = fieldsOf(fieldsOf(key).keyval).public
    if (!isHash(hex)) continue
    const publicKey = publicKeyObject(Buffer.from(hex, 'hex'))
    if (verify(null, data, publicKey, Buffer.from(sig, 'hex'))) signers.add(hex)
  }
  return signers.size
}

/** Its fields, and none for what is no object: what is missing is undefined at every depth. */
export function fieldsOf(value: Json | undefined): { readonly [field: string]: Json | undefined } {
  return isRecord(value) ? value : {}
}

export function tufKeyOf({ public: { base64 } }: SecretKey): TufKey {
  const hex = Buffer.from(base64, 'base64').toString('hex')
  return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hex } }
}

export function tufKeyId(key: Json): string {
  return sha256(Buffer.from(canonical(key)))
}

/** How one metadata file names another, or a target. */
export function fileInfo(data: Uint8Array): { length: number; hashes: { sha256: string } } {
  return { length: data.length, hashes: { sha256: sha256(data) } }
}

export function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** Canonical JSON as TUF has it: sorted keys, no spaces, only `"` and `\` escaped. */
export function canonical(value: Json): string {
  if (typeof value === 'string') return `"${value.replace(/["\\]/g, '\\$&')}"`
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value as { readonly [field: string]: Json }).sort(byText)
  return `{${fields.map(([field, item]) => `${canonical(field)}:${canonical(item)}`).join(',')}}`
}

const byText = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : 1
