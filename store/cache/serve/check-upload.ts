import { MixosError } from '../../../graph/error.ts'
import { shown } from '../../../graph/shown.ts'
import type { DerivationHash, Digest, ResolvedHash, StorePath } from '../../../graph/store-path.ts'
import { checkInfo } from '../info.ts'
import { INFO_PATH } from '../layout.ts'
import { parseIndex } from '../object-index.ts'
import { unverifiedTrace } from '../signed-trace.ts'
import { memoryStorage } from '../storages/memory.ts'

/** Where the label stands in what formatIndex writes. */
const LABEL = /^\{"format":"[^"]*","label":"([^"]*)"/

/** What an index needs of a pack: its BLAKE3, and the bytes that it must have. */
export interface PackNeed {
  readonly pack: string
  readonly bytes: number
}

/** What the index needs. Throws CACHE_INVALID for what is not the index of the object with that digest. */
export function checkIndex(bytes: Uint8Array, digest: Digest): PackNeed[] {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512))
  const [, label] = LABEL.exec(head.toString('latin1')) ?? []
  if (label === undefined) throw invalid('it is not the index of an object')
  // A wrong label makes another path of the same manifest, which is refused.
  const { packs, frames } = parseIndex(bytes, `${digest}-${label}` as StorePath, 'the index')
  const ends = packs.map(() => 0)
  for (const { pack, offset, length } of frames)
    ends[pack] = Math.max(ends[pack] ?? 0, offset + length)
  return packs.map((pack, at) => ({ pack, bytes: ends[at] ?? 0 }))
}

/**
 * Throws CACHE_INVALID for what is not the trace of that hash, signed by that key as far as it says: whether the
 * signature holds is for readers to tell, who know the key.
 */
export function checkTrace(
  bytes: Uint8Array,
  { hash, keyId }: { readonly hash: string; readonly keyId: string },
): void {
  const asked = hash as DerivationHash | ResolvedHash
  const { signature } = unverifiedTrace(bytes, { hash: asked, where: 'the trace' })
  if (signature.startsWith(`${keyId}:`)) return
  throw invalid(`expected a signature by the key ${keyId}, got ${shown(signature)}`)
}

/** Throws CACHE_INVALID or CACHE_FOREIGN for what would make this another cache, or none. */
export async function checkNewInfo(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  await checkInfo(memoryStorage(new Map([[INFO_PATH, bytes]])), signal)
}

/** `actual` is the BLAKE3 of its bytes. Throws CACHE_INVALID for another one than its name says. */
export function checkPack(actual: string, hash: string): void {
  if (actual !== hash) throw invalid(`expected the pack ${hash}, got ${actual}`)
}

function invalid(what: string): MixosError {
  return new MixosError('CACHE_INVALID', what)
}
