import { isDeepStrictEqual } from 'node:util'
import type { DerivationHash, ResolvedHash } from '../graph/store-path.ts'
import { type Cache, type CacheClient, clientOf } from './cache/client.ts'
import { siblingsIn } from './cache/local-files.ts'
import { type OnBytes, pullerOf } from './cache/pull.ts'
import { restoreThreads } from './cache/restore-threads.ts'
import type { SignedTrace } from './cache/signed-trace.ts'
import { workersOn } from './cache/workers.ts'
import type { Report } from './event.ts'
import { nodeHost } from './hosts/node.ts'
import { type Challenged, challenge } from './realize/challenge.ts'
import { slotsOf } from './slots.ts'
import type { Store } from './store.ts'
import type { Trace } from './traces.ts'

/** What caches know of a step, by one of its hashes. */
export interface Substitute {
  readonly outputs: SignedTrace['outputs']
  /** See Claim. */
  readonly resolved: ResolvedHash | undefined
  /** See Claim. */
  readonly statements: readonly string[]
}

/** Several caches as one. Nothing of theirs is ever an error here: what is in doubt is a miss. */
export interface Substituter {
  /** What the first cache that knows says. */
  find(hash: DerivationHash | ResolvedHash): Promise<Substitute | undefined>
  /** Makes the outputs exist, from whichever cache has them, those first that say so. False where none could: then they are to be built. */
  fetch(substitute: Substitute, onBytes: OnBytes): Promise<boolean>
  /** Compares what was made here with what all signers of all caches say. */
  challenge(traces: readonly Trace[]): Promise<Challenged[]>
  [Symbol.asyncDispose](): Promise<void>
}

/** Requests for parts of objects at a time. */
const DOWNLOADS = 8

/** All caches are asked at once; what the preferred one has is taken from there. */
export function substituterOf(
  store: Store,
  caches: readonly Cache[],
  { signal, report }: { readonly signal: AbortSignal; readonly report: Report },
): Substituter {
  const { host } = store
  const workers = workersOn(host, {
    threads: host === nodeHost && restoreThreads(host.processes.cpus),
  })
  const downloads = slotsOf(DOWNLOADS)
  const puller = pullerOf(store, { workers, siblings: siblingsIn(store), downloads, signal })
  const options = { puller, now: host.now, signal, report }
  const clients = caches.map(cache => clientOf(cache, options))
  const known = new Map<string, Promise<Substitute | undefined>>()
  /** The caches that say so. */
  const claimants = new WeakMap<Substitute, ReadonlySet<CacheClient>>()

  const find: Substituter['find'] = async hash => {
    const claims = new Map(
      await Promise.all(clients.map(async one => [one, await one.claim(hash)] as const)),
    )
    const [found] = preferred(clients).flatMap(client => claims.get(client) ?? [])
    if (!found) return undefined
    const isSame = (client: CacheClient): boolean =>
      isDeepStrictEqual(claims.get(client)?.outputs, found.outputs)
    claimants.set(found, new Set(clients.filter(isSame)))
    return found
  }
  return {
    find: hash => {
      const answer = known.get(hash) ?? find(hash)
      known.set(hash, answer)
      return answer
    },
    fetch: async (substitute, onBytes) => {
      const says = (client: CacheClient): boolean => claimants.get(substitute)?.has(client) ?? false
      const ordered = preferred(clients)
      // Others may have the objects all the same, without a trace.
      for (const client of [...ordered.filter(says), ...ordered.filter(client => !says(client))]) {
        const isOwn = says(client)
        if (await client.fetch(substitute.outputs, { onBytes, isOwn })) return true
      }
      return false
    },
    challenge: traces => challenge(store, traces, clients),
    [Symbol.asyncDispose]: async () => {
      await workers[Symbol.asyncDispose]()
      await Promise.all(clients.map(client => client.close()))
    },
  }
}

/** Below this, the time of one answer says more of the moment than of the cache. */
const ALIKE = 50

/** By priority, then by how quickly they answered, in doublings; else as they are listed. */
function preferred(clients: readonly CacheClient[]): CacheClient[] {
  const ranks = new Map(
    clients.map((client, index) => {
      const { priority = index } = client
      const slowness = Math.max(0, Math.ceil(Math.log2((client.answeredIn() ?? 0) / ALIKE)))
      return [client, { priority, slowness }]
    }),
  )
  const rank = (client: CacheClient) => ranks.get(client) ?? { priority: 0, slowness: 0 }
  return clients.toSorted(
    (a, b) => rank(a).priority - rank(b).priority || rank(a).slowness - rank(b).slowness,
  )
}
