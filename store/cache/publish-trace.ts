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
  isoSeconds,
  parseSignedTrace,
  SIGNED_TRACE_LIMIT,
  type SignedTrace,
  signerOf,
  signTrace,
  traceOf,
  verifySignedTrace,
} from './signed-trace.ts'
import type { WritableStorage } from './storage.ts'

// In milliseconds. Collections go by the age of a file: what is pushed again is wanted still.
const RENEW_AFTER = 24 * 3_600_000

export interface PublishOptions {
  readonly key: SecretKey
  /** Milliseconds after which our word is worth nothing; undefined for one that lasts. */
  readonly lifetime?: number | undefined
  readonly signal: AbortSignal
}

/** Signs a trace under both hashes, unless the cache has our recent word for the same: then it is false. */
export async function publishTrace(
  store: Store,
  storage: WritableStorage,
  trace: Trace,
  { key, lifetime, signal }: PublishOptions,
): Promise<boolean> {
  const outputs = Object.fromEntries(
    Object.entries(trace.outputs).map(([name, path]) => [
      name,
      { path, hash: headOf(store, path).hash },
    ]),
  )
  const { label, derivation, resolved } = trace
  const now = store.host.now()
  const statement = {
    ...{ label, derivation, resolved, outputs },
    ...(lifetime !== undefined && { expires: isoSeconds(now + lifetime) }),
  }
  const signed = signTrace(statement, key, now)
  return publish(storage, signed, {
    signal,
    isWanted: (bytes, hash) => !isSame(bytes, { signed, hash, key, now }),
  })
}

/**
 * Passes on, unless the cache has them or later ones, the words of others on which a trace was taken: to sign for it too
 * would make two witnesses of one. False where all were there.
 */
export async function passOn(
  storage: WritableStorage,
  statements: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const results = statements.map(text => {
    const signed = parseSignedTrace(Buffer.from(text, 'latin1'), 'a trace of this store')
    return publish(storage, signed, { signal, isWanted: bytes => isOlder(bytes, signed) })
  })
  return (await Promise.all(results)).includes(true)
}

interface Publication {
  /** Whether it should take the place of what the cache has under that hash. */
  readonly isWanted: (bytes: Uint8Array, hash: DerivationHash | ResolvedHash) => boolean
  readonly signal: AbortSignal
}

async function publish(
  storage: WritableStorage,
  signed: SignedTrace,
  { isWanted, signal }: Publication,
): Promise<boolean> {
  const data = Buffer.from(formatSignedTrace(signed))
  const write = async (hash: DerivationHash | ResolvedHash): Promise<boolean> => {
    const path = tracePath(hash, signerOf(signed))
    const known = await storage.read(path, { signal, limit: SIGNED_TRACE_LIMIT })
    if (known && !isWanted(known, hash)) return false
    await storage.write(path, data, { signal })
    return true
  }
  // Without inputs, the two hashes are one.
  const results = await Promise.all([...new Set([signed.derivation, signed.resolved])].map(write))
  return results.includes(true)
}

function isSame(
  bytes: Uint8Array,
  {
    signed,
    hash,
    key,
    now,
  }: {
    signed: SignedTrace
    hash: DerivationHash | ResolvedHash
    key: SecretKey
    now: number
  },
): boolean {
  return orElse(false, () => {
    const known = verifySignedTrace(bytes, { hash, key: key.public, now, where: 'the cache' })
    const isRecent = now - Date.parse(known.signedAt) < RENEW_AFTER
    const lasts = ({ expires, signedAt }: SignedTrace) =>
      expires && Date.parse(expires) - Date.parse(signedAt)
    return (
      isRecent &&
      isDeepStrictEqual(traceOf(known), traceOf(signed)) &&
      lasts(known) === lasts(signed)
    )
  })
}

function isOlder(bytes: Uint8Array, { signedAt }: SignedTrace): boolean {
  return orElse(true, () => parseSignedTrace(bytes, 'the cache').signedAt < signedAt)
}

/** For a file that is damaged or has expired: it is written anew. */
function orElse(otherwise: boolean, judge: () => boolean): boolean {
  try {
    return judge()
  } catch (error) {
    if (error instanceof MixosError) return otherwise
    throw error
  }
}
