import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { dirname } from 'node:path'
import { blake3Hex } from '../../graph/blake3.ts'
import { MixosError } from '../../graph/error.ts'
import { flush } from '../disk/write.ts'
import type { Host } from '../host.ts'

declare const brand: unique symbol
/** The first 32 hexadecimal digits of BLAKE3 of a public key's 32 bytes: what a key is, whatever it is called. */
export type KeyId = string & { readonly [brand]: 'KeyId' }

/** Says who signed. The name is for people: two keys are one key exactly if their ids are equal. */
export interface PublicKey {
  readonly name: string
  readonly id: KeyId
  /** The 32 bytes of ed25519. */
  readonly base64: string
  readonly object: KeyObject
}

/** Signs. The secret is within `object`, which no log and no JSON shows. */
export interface SecretKey {
  readonly public: PublicKey
  readonly object: KeyObject
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,60}$/
const NAME_HINT = "a key's name is 1 to 61 of a-z, 0-9 and ._- and starts with a letter or a digit"
const PUBLIC_HINT = 'write it as NAME:BASE64, one line, as `mixos cache keygen` prints it'
/** A key file is one short line; what is longer is something else. */
const LIMIT = 1024
// RFC 8410: what comes before the 32 bytes in DER.
const PUBLIC_DER = Buffer.from('302a300506032b6570032100', 'hex')
const SECRET_DER = Buffer.from('302e020100300506032b657004220420', 'hex')

/** A new key. Its secret is the host's randomness. Throws BAD_ARGUMENT for what is no name. */
export function generateKey(host: Host, name: string): SecretKey {
  if (!NAME.test(name))
    throw new MixosError('BAD_ARGUMENT', `invalid key name ${JSON.stringify(name)}`, {
      hint: NAME_HINT,
    })
  return secretKeyOf(name, Buffer.from(host.randomHex(64), 'hex'))
}

export function keyIdOf(bytes: Uint8Array): KeyId {
  return blake3Hex(Buffer.from(bytes)).slice(0, 32) as KeyId
}

/** Throws KEY_INVALID, naming `where`, for another form. */
export function parseKeyId(text: string, where: string): KeyId {
  if (/^[0-9a-f]{32}$/.test(text)) return text as KeyId
  throw new MixosError('KEY_INVALID', `${where}: ${JSON.stringify(text)} is no key`, {
    hint: 'name one that is trusted, see: mixos cache trust list; or give its 32 hexadecimal digits',
  })
}

/** `NAME:BASE64`, what parsePublicKey reads. */
export function formatPublicKey({ name, base64 }: PublicKey): string {
  return `${name}:${base64}`
}

/**
 * Throws KEY_INVALID, naming `where`, for another form, and for bytes with which a signature would prove
 * nothing or which write the same key in a second way.
 */
export function parsePublicKey(text: string, where: string): PublicKey {
  const parts = split(text)
  if (typeof parts === 'string')
    throw new MixosError('KEY_INVALID', `${where}: ${shown(text)} ${parts}`, {
      hint: PUBLIC_HINT,
    })
  const problem = problemOf(parts.bytes)
  if (problem !== undefined)
    throw new MixosError('KEY_INVALID', `${where}: the key ${parts.name} ${problem}`, {
      hint: 'copy the public key again from who made it; the secret key is of no use here',
    })
  return publicKeyOf(parts.name, parts.bytes)
}

/**
 * Writes the secret key to a new file that none but its owner can read, and waits until it is on disk.
 * Throws KEY_INVALID where there is a file of that name: a key that was replaced is lost. A crash may leave
 * a file that readSecretKey refuses.
 */
export async function writeSecretKey(host: Host, path: string, key: SecretKey): Promise<void> {
  host.files.makeDirectory(dirname(path))
  const seed = key.object.export({ format: 'der', type: 'pkcs8' }).subarray(SECRET_DER.length)
  try {
    host.files.writeNew(path, `${key.public.name}:${seed.toString('base64')}\n`, 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new MixosError('KEY_INVALID', `${path}: there is a file of that name`, {
      hint: 'a key is never overwritten: choose another file, or move that one away',
      cause: error,
    })
  }
  await flush(host, [path, dirname(path)])
}

/**
 * Throws KEY_INVALID, naming the file, where it is missing, a symlink, open to other users, or malformed.
 * No message holds any of its text.
 */
export function readSecretKey(host: Host, path: string): SecretKey {
  const text = readPrivately(host, path)
  const parts = text.endsWith('\n') ? split(text.slice(0, -1)) : 'does not end with its first line'
  if (typeof parts === 'string')
    throw refused(path, `the file ${parts}`, 'restore it, or make a new key: mixos cache keygen')
  return secretKeyOf(parts.name, parts.bytes)
}

function readPrivately(host: Host, path: string): string {
  // Asked before opening too, since to open a pipe is to wait for its other end.
  const named = host.files.lstat(path)
  if (!named) throw refused(path, 'there is no such file', 'make a key with: mixos cache keygen')
  if (named.isSymbolicLink())
    throw refused(path, 'it is a symlink', `name the file itself: ${host.files.readLink(path)}`)
  if (!named.isFile()) throw refused(path, 'it is not a file')
  const fd = openKey(host, path)
  try {
    const { mode } = host.files.statOf(fd)
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0')
      const what = `other users may read or change it: its mode is ${shown}, not 0600`
      throw refused(path, what, `chmod 600 ${quoted(path)}`)
    }
    return readAll(host, fd)
  } finally {
    host.files.close(fd)
  }
}

function openKey(host: Host, path: string): number {
  try {
    return host.files.open(path, 'read')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'ELOOP') throw error
    throw refused(path, `it cannot be read: ${code}`, 'use a key of your own', error)
  }
}

/** Up to one byte more than LIMIT, which no key has. */
function readAll(host: Host, fd: number): string {
  const buffer = Buffer.alloc(LIMIT + 1)
  let length = 0
  while (length < buffer.length) {
    const count = host.files.readInto(fd, buffer.subarray(length))
    if (count === 0) break
    length += count
  }
  return buffer.toString('latin1', 0, length)
}

function refused(path: string, what: string, hint?: string, cause?: unknown): MixosError {
  return new MixosError('KEY_INVALID', `${path}: ${what}`, { hint, cause })
}

/** The two parts of a key's text, or what is wrong with it, without any of it. */
function split(text: string): { name: string; bytes: Buffer } | string {
  const at = text.indexOf(':')
  if (at < 0) return 'has no NAME: in front'
  const [name, base64] = [text.slice(0, at), text.slice(at + 1)]
  if (!NAME.test(name)) return `has an invalid name: ${NAME_HINT}`
  const bytes = Buffer.from(base64, 'base64')
  // Node skips what is no base64; only the one way to write these bytes gives the same text again.
  if (bytes.toString('base64') !== base64) return 'has no proper base64 after its name'
  return bytes.length === 32 ? { name, bytes } : `has ${bytes.length} bytes, expected 32`
}

function secretKeyOf(name: string, seed: Buffer): SecretKey {
  const key = Buffer.concat([SECRET_DER, seed])
  const object = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  const der = createPublicKey(object).export({ format: 'der', type: 'spki' })
  return { public: publicKeyOf(name, der.subarray(PUBLIC_DER.length)), object }
}

function publicKeyOf(name: string, bytes: Buffer): PublicKey {
  const object = publicKeyObject(bytes)
  return { name, id: keyIdOf(bytes), base64: bytes.toString('base64'), object }
}

/** Of the 32 bytes of an ed25519 key; whose key it is, and whether it is one, is for the caller to know. */
export function publicKeyObject(bytes: Buffer): KeyObject {
  const key = Buffer.concat([PUBLIC_DER, bytes])
  return createPublicKey({ key, format: 'der', type: 'spki' })
}

const P = 2n ** 255n - 19n
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n

/**
 * What makes these bytes no key that a signer has. Node takes any 32 bytes for a key. OpenSSL verifies, for a
 * point of low order, signatures that anyone can make (so does Node 20; Node 24 refuses those), and it takes
 * a coordinate above P for the one below, which would give a key a second id to be counted by.
 */
function problemOf(bytes: Buffer): string | undefined {
  const little = Buffer.from(bytes).reverse()
  const y = BigInt(`0x${little.toString('hex')}`) & (2n ** 255n - 1n)
  if (y >= P) return 'is not in canonical form'
  const y2 = (y * y) % P
  // In turn: order 4, orders 1 and 2, and order 8, where -x² + y² = 1 + Dx²y² has x² = -y².
  if (y === 0n || y2 === 1n || (D * y2 * y2 + 2n * y2) % P === 1n) return 'is a point of low order'
  // x² = (y² - 1) / (D y² + 1), and a quotient is a square where the product is.
  const product = ((y2 - 1n) * (D * y2 + 1n)) % P
  return isSquare(product) ? undefined : 'is not a point of ed25519'
}

/** Euler's criterion. */
function isSquare(value: bigint): boolean {
  let power = 1n
  for (const bit of ((P - 1n) / 2n).toString(2)) {
    power = (power * power) % P
    if (bit === '1') power = (power * value) % P
  }
  return power === 1n
}

/** Enough to know the text by: somebody may have taken a secret key for a public one. */
function shown(text: string): string {
  const end = text.indexOf(':') + 1
  return JSON.stringify(`${text.slice(0, Math.min(end || 8, 61))}…`)
}

/** For a shell. */
const quoted = (path: string): string =>
  /^[\w/.+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
