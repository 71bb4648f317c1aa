import { join } from 'node:path'
import type { Derivation } from '../../graph/derivation.ts'
import { collect } from '../../store/collect.ts'
import type { Event } from '../../store/event.ts'
import type { Host } from '../../store/host.ts'
import type { Fault } from '../../store/hosts/faulty.ts'
import { realize } from '../../store/realize.ts'
import { openStore, type Store } from '../../store/store.ts'
import { filesStep, infoStep, quietly } from './temp-store.ts'

/** What a process of its own is told to do. */
export interface Work {
  /** Holds the store, `mixos`, and the out-link, `result`. */
  readonly directory: string
  readonly fault?: Fault
  /** Collect garbage instead of realizing. */
  readonly collect?: boolean
  /** Realize this many independent steps instead of the few that refer to each other. */
  readonly width?: number
}

/** An object that refers to another, or that many. */
export function fixtureRoot(width?: number): Derivation {
  if (width !== undefined) {
    const steps = Array.from({ length: width }, (_, index) =>
      filesStep(`step-${index}`, { a: `${index}` }),
    )
    return infoStep('wide', Object.fromEntries(steps.map((step, index) => [`s${index}`, step])))
  }
  const library = filesStep('library', { 'lib/a': 'text', link: { symlink: 'lib/a' } })
  return infoStep('info', { library })
}

/** Realizes the fixture, rooted at `result`, and gives the labels of the steps that it took. */
export async function realizeFixture(host: Host, { directory, width }: Work): Promise<string[]> {
  const events: Event[] = []
  const root = fixtureRoot(width)
  const store = openStore({ directory: join(directory, 'mixos'), host })
  if (width === undefined) await addLibrary(store)
  await realize(store, [root], {
    ...quietly(events),
    links: new Map([[join(directory, 'result'), root]]),
  })
  return events.flatMap(event => (event.type === 'started' ? [event.label] : []))
}

/** The library's object as a copy, as what a sandboxed builder leaves; its step then finds it there. */
async function addLibrary(store: Store): Promise<void> {
  const source = join(import.meta.dirname, '../fixtures/library')
  await store.add({ source, label: 'library-1', candidates: new Map(), maker: 'the fixture' })
}

export async function collectFixture(host: Host, { directory }: Work): Promise<void> {
  const store = openStore({ directory: join(directory, 'mixos'), host })
  await collect(store, { signal: new AbortController().signal })
}
