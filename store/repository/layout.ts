/**
 * Where a repository keeps its signed index, beside the `object/` and `pack/` of a cache. A metadata file is
 * named by its version and never changes; only `timestamp.json` does, and all else follows from it.
 */
export const TUF = 'tuf'
export const TIMESTAMP = `${TUF}/timestamp.json`
/** The one target. */
export const INDEX = 'packages.json'

export type VersionedRole = 'root' | 'snapshot' | 'targets'

export function metadataPath(role: VersionedRole, version: number): string {
  return `${TUF}/${version}.${role}.json`
}

/** A copy of the newest root metadata, to be shipped with a system. */
export const ROOT = `${TUF}/root.json`

export function indexPath(sha256: string): string {
  return `${TUF}/targets/${sha256}.${INDEX}`
}

/** The most bytes of each file. */
export const LIMITS = {
  root: 512_000,
  timestamp: 16_384,
  snapshot: 65_536,
  targets: 65_536,
  index: 64 << 20,
} as const
