import { MixosError } from '../../graph/error.ts'
import type { DerivationHash, ObjectHash, ResolvedHash, StorePath } from '../../graph/store-path.ts'
import type { Report } from '../event.ts'
import { checkInfo } from './info.ts'
import type { PublicKey } from './keys.ts'
import { tracePath } from './layout.ts'
import type { ObjectIndex } from './object-index.ts'
import { patienceOf } from './patience.ts'
import { type Claim, judge, type Testimony, type TrustPolicy } from './policy.ts'
import type { OnBytes, Puller } from './pull.ts'
import { SIGNED_TRACE_LIMIT, verifySignedTrace } from './signed-trace.ts'
import type { CacheStorage } from './storage.ts'

/** A cache to ask, and whom to believe there. */
export interface Cache {
  readonly name: string
  readonly policy: TrustPolicy
  /** Lower ones are preferred; of equal ones, the quicker. Without it, the place in the list decides. */
  readonly priority?: number
  open(): Promise<CacheStorage>
}

/**
 * One cache as a reader sees it who has another way: whatever is wrong with it is a miss, and is told once. A cache
 * that fails is not asked again, nor one of which several objects are damaged.
 */
export interface CacheClient {
  readonly name: string
  readonly priority: number | undefined
  /** Milliseconds that its first answer took; undefined as long as there is none. */
  readonly answeredIn: () => number | undefined
  /** What each of its trusted signers says of the hash. */
  testimonies(hash: DerivationHash | ResolvedHash): Promise<Testimony[]>
  /** What enough of them say. */
  claim(hash: DerivationHash | ResolvedHash): Promise<Claim | undefined>
  /** Makes the outputs exist, with all that they refer to. False where it could not. */
  fetch(outputs: Claim['outputs'], options: FetchOptions): Promise<boolean>
  /** Throws where there is none, or none that can be read. */
  index(path: StorePath): Promise<ObjectIndex>
  close(): Promise<void>
}

export interface FetchOptions {
  readonly onBytes: OnBytes
  /** Whether this cache says that these are the outputs. Where others say so, it is not to blame for what it lacks. */
  readonly isOwn: boolean
}

export interface ClientOptions {
  readonly puller: Puller
  readonly now: () => number
  readonly signal: AbortSignal
  readonly report: Report
}

const BAD_TRACE: ReadonlySet<string> = new Set(['CACHE_INVALID', 'SIGNATURE_INVALID'])

/** Milliseconds that looking for traces in one cache may keep everyone waiting, in all. */
const PATIENCE = 2000
/** Objects. What is fetched before it turns out to be damaged has cost its time. */
const MOST_DAMAGED = 3

export function clientOf(
  { name, policy, priority, open }: Cache,
  { puller, now, signal, report }: ClientOptions,
): CacheClient {
  const patience = patienceOf(PATIENCE)
  let storage: Promise<CacheStorage | undefined> | undefined
  // Aborted when the cache is given up, with the reason: what is asked of it ends, and what waits is not asked.
  const dropped = new AbortController()
  const whileUsed = AbortSignal.any([signal, dropped.signal])
  let hasWarned = false
  let hasTold = false
  // An error for each object: all who want it get the same.
  const damage = new Set<MixosError>()
  let answeredIn: number | undefined
  const opened: CacheStorage[] = []

  const tell = (message: string, hint: string | undefined): void =>
    report({ type: 'warning', message, ...(hint !== undefined && { hint }) })
  const warn = (message: string, hint: string | undefined): void => {
    if (!hasWarned) tell(message, hint)
    hasWarned = true
  }
  /** Once: a signer whose builds come out otherwise says so of each step. */
  const tellOf = ([other]: readonly Claim[]): void => {
    const [signer] = other?.signers ?? []
    if (!other || !signer || hasTold) return
    hasTold = true
    const path = Object.values(other.outputs)[0]?.path
    tell(
      `${signer.name} of the cache ${name} says otherwise than those who are believed, such as ${path}`,
      'build it here and compare with: mixos realize NAME --check',
    )
  }
  const giveUp = (error: unknown): undefined => {
    signal.throwIfAborted()
    if (!isOfCache(error) && !isTimeout(error)) throw error
    if (dropped.signal.aborted) return undefined
    const { message, hint } = isOfCache(error) ? error : tookTooLong()
    tell(`the cache ${name} is not used: ${message}`, hint)
    dropped.abort(new MixosError('CACHE_UNAVAILABLE', message, { hint }))
    storage = Promise.resolve(undefined)
    return undefined
  }
  /** Of one object, what is wrong is a miss; so is what a cache lacks. Of many, or of the cache itself, it is the end. */
  const blame = (error: MixosError): void => {
    if (isLack(error) || dropped.signal.aborted) return
    if (error.code === 'CACHE_INVALID') {
      warn(error.message, error.hint)
      if (damage.add(error).size < MOST_DAMAGED) return
    }
    giveUp(error)
  }
  const patiently = <T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    patience.run(late => ask(AbortSignal.any([whileUsed, late])))
  const connect = async (): Promise<CacheStorage> => {
    const storage = await open()
    opened.push(storage)
    const asked = now()
    const isThere = await patiently(signal => checkInfo(storage, signal))
    answeredIn = now() - asked
    if (isThere) return storage
    throw new MixosError('CACHE_UNAVAILABLE', 'there is no cache at this address')
  }
  const connected = (): Promise<CacheStorage | undefined> => {
    storage ??= connect().catch(giveUp)
    return storage
  }

  const ask = async (
    from: CacheStorage,
    hash: DerivationHash | ResolvedHash,
    key: PublicKey,
  ): Promise<Testimony | undefined> => {
    const path = tracePath(hash, key.id)
    const limit = SIGNED_TRACE_LIMIT
    const where = `${name}: ${path}`
    try {
      const bytes = await patiently(signal => from.read(path, { signal, limit }))
      if (!bytes) return undefined
      return { key, trace: verifySignedTrace(bytes, { hash, key, now: now(), where }) }
    } catch (error) {
      // While keys and signatures are renewed, an old one is no reason to distrust the others; nor is what somebody
      // else has left in the cache. One that has nothing else costs what a cache costs that knows nothing.
      if (!(error instanceof MixosError) || !BAD_TRACE.has(error.code)) throw error
      warn(error.message, error.hint)
      return undefined
    }
  }

  const testimonies: CacheClient['testimonies'] = async hash => {
    const from = await connected()
    if (!from) return []
    try {
      const said = await Promise.all(policy.keys.map(key => ask(from, hash, key)))
      return said.filter(testimony => testimony !== undefined)
    } catch (error) {
      giveUp(error)
      return []
    }
  }

  return {
    name,
    priority,
    answeredIn: () => answeredIn,
    testimonies,
    claim: async hash => {
      const verdict = judge(policy, await testimonies(hash))
      if (verdict.type === 'conflict')
        warn(`signers of the cache ${name} disagree on ${hash}: neither is believed`, undefined)
      if (verdict.type !== 'agreed') return undefined
      tellOf(verdict.disagreements)
      return verdict.claim
    },
    index: async path => {
      const from = await connected()
      if (!from) throw new MixosError('CACHE_UNAVAILABLE', `the cache ${name} is not used`)
      return puller.index(from, path, whileUsed)
    },
    fetch: async (outputs, { onBytes, isOwn }) => {
      const from = await connected()
      if (!from) return false
      const wanted = Object.values(outputs)
      // One failure ends all the rest at once, however much is queued.
      const onFailure = (error: unknown): void => {
        if (!signal.aborted && isOfCache(error)) blame(error)
      }
      const options = { onBytes, signal: whileUsed, onFailure }
      const pulls = wanted.map(({ path }) => puller.pull(from, path, options))
      // Nothing may write to the store any more when its user lets it go.
      await Promise.allSettled(pulls)
      try {
        await Promise.all(pulls)
      } catch (error) {
        if (!isOfCache(error)) throw error
        blame(error)
        if (isLack(error) && isOwn) warn(error.message, error.hint)
        return false
      }
      // Of the hash that was signed, the path has the first 160 bits.
      const wrong = wanted.find(({ path, hash }) => puller.hash(path) !== hash)
      if (wrong && isOwn) giveUp(otherHash(wrong, puller.hash(wrong.path)))
      return !wrong
    },
    close: async () => {
      // What kept it from being opened was thrown to whoever asked.
      await storage?.catch(() => undefined)
      await Promise.all(opened.map(storage => storage.close()))
    },
  }
}

function otherHash(
  { path, hash }: Claim['outputs'][string],
  actual: ObjectHash | undefined,
): MixosError {
  const message = `its trace says that ${path} is b3:${hash}, and it is b3:${actual}`
  return new MixosError('CACHE_INVALID', message)
}

function tookTooLong(): MixosError {
  return new MixosError('CACHE_UNAVAILABLE', `waiting for it took ${PATIENCE} ms`)
}

/** It lacks something, perhaps because it has just been tidied up; the rest may be there. */
function isLack(error: MixosError): boolean {
  return error.code === 'CACHE_INCOMPLETE'
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError'
}

function isOfCache(error: unknown): error is MixosError {
  return error instanceof MixosError && error.code.startsWith('CACHE_')
}
