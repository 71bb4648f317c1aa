import type { DerivationHash, Digest, ResolvedHash } from '../../graph/store-path.ts'

/** Every path inside a cache. Nothing else is read, whatever else is there. */
export const INFO_PATH = 'mixos-cache.json'

/** What a signer says of a derivation or of a resolved one. */
export function tracePath(hash: DerivationHash | ResolvedHash, keyId: string): string {
  return `trace/${hash}/${keyId}.json`
}

/** An object's manifest, and where the bytes of its files are. */
export function objectPath(digest: Digest): string {
  return `object/${digest}.json`
}

/** Frames, one after the other; named by BLAKE3 of all its bytes. */
export function packPath(hash: string): string {
  return `pack/${hash}.pack`
}
