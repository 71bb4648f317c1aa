import { join } from 'node:path'
import type { Derivation } from '../../graph/derivation.ts'
import { collect } from '../../store/collect.ts'
import type { Event } from '../../store/event.ts'
import type { Host } from '../../store/host.ts'
import type { Fault } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { realize } from '../../store/realize.ts'
import { openStore, type Store } from '../../store/store.ts'
import { addTools, shellStep, toolsForBuilds } from './building.ts'
import { fetchStep, filesStep, infoStep, quietly } from './temp-store.ts'

/** What a process of its own is told to do. */
export interface Work {
  /** Holds the store, `mixos`, and the out-link, `result`. */
  readonly directory: string
  readonly fault?: Fault
  /** Collect garbage instead of realizing. */
  readonly collect?: boolean
  /** Realize this many independent steps instead of the few that refer to each other. */
  readonly width?: number
  /** Realize a build in a sandbox instead. */
  readonly isBuilt?: boolean
}

const FIXTURES = join(import.meta.dirname, '../fixtures')

/** An object that refers to another, or that many. */
export function fixtureRoot(width?: number): Derivation {
  if (width !== undefined) {
    const steps = Array.from({ length: width }, (_, index) =>
      filesStep(`step-${index}`, { a: `${index}` }),
    )
    return infoStep('wide', Object.fromEntries(steps.map((step, index) => [`s${index}`, step])))
  }
  const library = filesStep('library', { 'lib/a': 'text', link: { symlink: 'lib/a' } })
  return infoStep('info', { library, page: fetchStep('page', join(FIXTURES, 'localhost.pem')) })
}

/** A build of two outputs in a sandbox, which keep the tools that it is made with. */
export const builtRoot = shellStep(
  'built',
  'echo "$busybox $bubblewrap" >"$out"; mkdir "$dev"; echo "$out" >"$dev/out"',
  { outputs: ['out', 'dev'], inputs: { bubblewrap: toolsForBuilds.bubblewrap } },
)

/** Realizes the fixture, rooted at `result`, and gives the labels of the steps that it took. */
export async function realizeFixture(host: Host, work: Work): Promise<string[]> {
  const { directory, width, isBuilt = false } = work
  const events: Event[] = []
  const root = isBuilt ? builtRoot : fixtureRoot(width)
  // Where the tools come from is not what is tried.
  if (isBuilt) await addTools(openStore({ directory: join(directory, 'mixos'), host: nodeHost }))
  const store = openStore({ directory: join(directory, 'mixos'), host })
  if (!isBuilt && width === undefined) await addLibrary(store)
  await realize(store, [root], {
    ...quietly(events),
    ...(isBuilt && { tools: toolsForBuilds }),
    links: new Map([[join(directory, 'result'), root]]),
  })
  return events.flatMap(event => (event.type === 'started' ? [event.label] : []))
}

/** The library's object as a copy, as what a sandboxed builder leaves; its step then finds it there. */
async function addLibrary(store: Store): Promise<void> {
  const source = join(FIXTURES, 'library')
  await store.add({ source, label: 'library-1', candidates: new Map(), maker: 'the fixture' })
}

export async function collectFixture(host: Host, { directory }: Work): Promise<void> {
  const store = openStore({ directory: join(directory, 'mixos'), host })
  await collect(store, { signal: new AbortController().signal })
}
