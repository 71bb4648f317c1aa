import type { Derivation } from '../../graph/derivation.ts'
import { generateKey } from '../../store/cache/keys.ts'
import { type Pushed, push } from '../../store/cache/push.ts'
import type { WritableStorage } from '../../store/cache/storage.ts'
import type { Event } from '../../store/event.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { tracesOf } from '../../store/realize/known.ts'
import type { Realized } from '../../store/realize/options.ts'
import { realize } from '../../store/realize.ts'
import type { Store } from '../../store/store.ts'
import { substituterOf } from '../../store/substituter.ts'
import { noise } from './http-server.ts'
import { filesStep, infoStep, quietly } from './temp-store.ts'

/** The same in every process. */
const key = generateKey({ ...nodeHost, randomHex: digits => '7'.repeat(digits) }, 'pusher')

const library = filesStep('library', { 'lib/a': 'text', link: { symlink: 'lib/a' } })
const shared = filesStep('shared', { text: noise(2000).toString('hex') })

/** Packages that have objects in common. */
export const PACKAGES: readonly Derivation[] = [
  infoStep('first', { library }),
  infoStep('second', { library, shared }),
  infoStep('third', { shared, own: filesStep('own', { a: 'own' }) }),
  infoStep('fourth', { library, shared, more: filesStep('more', { b: 'more' }) }),
]

export async function pushAll(
  store: Store,
  storage: WritableStorage,
  packages: readonly Derivation[] = PACKAGES,
): Promise<Pushed> {
  const { signal } = new AbortController()
  const report = (): void => undefined
  return push(store, storage, tracesOf(store, packages), { key, signal, report })
}

export interface Read {
  readonly realized: Realized
  readonly warnings: readonly string[]
  /** Labels of steps. */
  readonly built: readonly string[]
}

/** Realizes with this cache alone. */
export async function readAll(
  store: Store,
  storage: WritableStorage,
  packages: readonly Derivation[] = PACKAGES,
): Promise<Read> {
  const events: Event[] = []
  const options = quietly(events)
  const policy = { keys: [key.public], threshold: 1 }
  const cache = { name: 'the cache', policy, open: async () => storage }
  await using substituter = substituterOf(store, [cache], options)
  const realized = await realize(store, packages, { ...options, substituter })
  return {
    realized,
    warnings: events.flatMap(event => (event.type === 'warning' ? [event.message] : [])),
    built: events.flatMap(event =>
      event.type === 'done' && event.how === 'built' ? [event.label] : [],
    ),
  }
}
