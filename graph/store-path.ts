import { MixosError } from './error.ts'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** BLAKE3 (hex) of a derivation with its inputs by DerivationHash: what was asked. */
export type DerivationHash = Branded<'DerivationHash'>
/** BLAKE3 (hex) of a derivation with its inputs by the objects they turned out to be. */
export type ResolvedHash = Branded<'ResolvedHash'>
/** BLAKE3 (hex) of an object's canonical manifest: what was got. */
export type ObjectHash = Branded<'ObjectHash'>
/** The 32 base32 characters that stand for an object in its path: the first 160 bits of its ObjectHash. */
export type Digest = Branded<'Digest'>
/** The name of an object in the store: `<digest>-<name>-<version>`, without a directory. */
export type StorePath = Branded<'StorePath'>

/** Where objects are visible, on the target and inside every build. */
export const STORE_DIRECTORY = '/mix/store'

// The alphabet leaves out e, o, t and u, so that no digest spells a word (the choice of Nix).
const ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz'
export const DIGEST_LENGTH = 32
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9+._-]{0,120}$/
// With the digest and a suffix such as `.lock`, still within the 255 bytes of a file's name.
const LABEL = /^[a-zA-Z0-9][a-zA-Z0-9+._-]{0,210}$/
const PATH = /^[0-9abcdfghijklmnpqrsvwxyz]{32}-[a-zA-Z0-9][a-zA-Z0-9+._-]{0,210}$/
const HEX = /^[0-9a-f]{64}$/

/** True for what may stand in the name or the version of a derivation. */
export function isName(text: unknown): text is string {
  return typeof text === 'string' && NAME.test(text)
}

/** True for what may follow the digest in a store path: `<name>-<version>`, perhaps with an output. */
export function isLabel(text: unknown): text is string {
  return typeof text === 'string' && LABEL.test(text)
}

/** Base32 of the first 160 bits of a hash, five bits a character, most significant first. */
export function digestOf(hash: ObjectHash | ResolvedHash | DerivationHash): Digest {
  let digest = ''
  for (let group = 0; group < DIGEST_LENGTH / 8; group++) {
    // 40 bits are 10 hexadecimal digits and 8 base32 characters, and fit a double exactly.
    let bits = Number.parseInt(hash.slice(group * 10, group * 10 + 10), 16)
    let text = ''
    for (let i = 0; i < 8; i++) {
      text = ALPHABET[bits % 32] + text
      bits = Math.floor(bits / 32)
    }
    digest += text
  }
  return digest as Digest
}

export function storePathOf(hash: ObjectHash, label: string): StorePath {
  return `${digestOf(hash)}-${label}` as StorePath
}

export function digestOfPath(path: StorePath): Digest {
  return path.slice(0, DIGEST_LENGTH) as Digest
}

/** The `<name>-<version>` part of a store path. */
export function labelOfPath(path: StorePath): string {
  return path.slice(DIGEST_LENGTH + 1)
}

/** Where the object is seen in a build and on the target. */
export function absolute(path: StorePath): string {
  return `${STORE_DIRECTORY}/${path}`
}

/** Accepts `<digest>-<label>` with or without the store directory; undefined for anything else. */
export function parseStorePath(text: string): StorePath | undefined {
  const bare = text.startsWith(`${STORE_DIRECTORY}/`)
    ? text.slice(STORE_DIRECTORY.length + 1)
    : text
  return PATH.test(bare) ? (bare as StorePath) : undefined
}

/** The text as a hash of the wanted kind. Throws RECORD_INVALID, naming `where` it stood. */
export function parseHash<H extends DerivationHash | ResolvedHash | ObjectHash>(
  text: unknown,
  where: string,
): H {
  if (typeof text === 'string' && HEX.test(text)) return text as H
  throw new MixosError(
    'RECORD_INVALID',
    `${where}: expected 64 hexadecimal digits, got ${JSON.stringify(text)}`,
  )
}
