import { createHash, sign } from 'node:crypto'
import type { SecretKey } from '../cache/keys.ts'

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

export function tufKeyOf({ public: { base64 } }: SecretKey): TufKey {
  const hex = Buffer.from(base64, 'base64').toString('hex')
  return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hex } }
}

export function tufKeyId(key: TufKey): string {
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
