import { type Derivation, derivation } from '../../graph/derivation.ts'
import { type Lock, pinOf } from '../../graph/lock.ts'

/** The fetch of a pin: an object that is one file. Throws LOCK_OUTDATED where there is no such pin. */
export function pinned(lock: Lock, name: string): Derivation {
  const { version, urls, hash, size } = pinOf(lock, name)
  return derivation({
    name: legal(name),
    version: legal(version),
    builder: ['builtin:fetch-url'],
    fetch: { urls, hash, size },
  })
}

/** The version of a pin as part of a name: an epoch's colon or a tilde has no place in a store path. */
export function pinnedVersion(lock: Lock, name: string): string {
  return legal(pinOf(lock, name).version)
}

/** Upstream's version, without what Debian adds when it packs a source anew or upstream to mean that it is done. */
export function upstreamVersion(lock: Lock, name: string): string {
  return pinnedVersion(lock, name).replace(/\+(ds|dfsg)\d*$|-stable$/, '')
}

const legal = (text: string): string => text.replace(/[^a-zA-Z0-9+._-]/g, '-')
