import { isDeepStrictEqual } from 'node:util'
import { MixosError } from '../../graph/error.ts'
import type { DerivationHash, ResolvedHash } from '../../graph/store-path.ts'
import { headOf } from '../object-closure.ts'
import type { Store } from '../store.ts'
import type { Trace } from '../traces.ts'
import type { SecretKey } from './keys.ts'
import { tracePath } from './layout.ts'
import {
  formatSignedTrace,
  SIGNED_TRACE_LIMIT,
  signTrace,
  traceOf,
  verifySignedTrace,
} from './signed-trace.ts'
import type { WritableStorage } from './storage.ts'

// In milliseconds. Collections go by the age of a file: what is pushed again is wanted still.
const RENEW_AFTER = 24 * 3_600_000

/** Signs a trace under both hashes, unless the cache has our recent word for the same: then it is false. */
export async function publishTrace(
  store: Store,
  storage: WritableStorage,
  { trace, key, signal }: { trace: Trace; key: SecretKey; signal: AbortSignal },
): Promise<boolean> {
  const outputs = Object.fromEntries(
    Object.entries(trace.outputs).map(([name, path]) => [
      name,
      { path, hash: headOf(store, path).hash },
    ]),
  )
  const { label, derivation, resolved } = trace
  const now = store.host.now()
  const data = Buffer.from(
    formatSignedTrace(signTrace({ label, derivation, resolved, outputs }, key, now)),
  )
  const write = async (hash: DerivationHash | ResolvedHash): Promise<boolean> => {
    const path = tracePath(hash, key.public.id)
    const known = await storage.read(path, { signal, limit: SIGNED_TRACE_LIMIT })
    if (known && isSame(known, { trace, hash, key, now })) return false
    await storage.write(path, data, { signal })
    return true
  }
  // Without inputs, the two hashes are one.
  const results = await Promise.all([...new Set([derivation, resolved])].map(write))
  return results.includes(true)
}

function isSame(
  bytes: Uint8Array,
  {
    trace,
    hash,
    key,
    now,
  }: { trace: Trace; hash: DerivationHash | ResolvedHash; key: SecretKey; now: number },
): boolean {
  try {
    const signed = verifySignedTrace(bytes, { hash, key: key.public, now, where: 'the cache' })
    const isRecent = now - Date.parse(signed.signedAt) < RENEW_AFTER
    return isRecent && isDeepStrictEqual(traceOf(signed), trace)
  } catch (error) {
    // Damaged or expired: it is written anew.
    if (error instanceof MixosError) return false
    throw error
  }
}
