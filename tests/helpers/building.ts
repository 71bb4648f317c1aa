import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { project } from '../../cli/context.ts'
import { bootstrap } from '../../derivations/seeds/bootstrap.ts'
import {
  type Derivation,
  type DerivationSpec,
  derivation,
  labelOf,
} from '../../graph/derivation.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { parseLock } from '../../graph/lock.ts'
import type { ResolvedHash } from '../../graph/store-path.ts'
import type { Event } from '../../store/event.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import type { Realized, RealizeOptions } from '../../store/realize/options.ts'
import { realize } from '../../store/realize.ts'
import { openStore, type Store } from '../../store/store.ts'
import { sandboxTools } from './sandbox-tools.ts'
import { memoryDirectory, quietly } from './temp-store.ts'

export const toolsForBuilds = bootstrap(
  parseLock(readFileSync(join(project, 'flake-free.lock'), 'utf8')),
)

/** A step that BusyBox's shell takes in a sandbox. */
export function shellStep(name: string, script: string, spec: Partial<DerivationSpec> = {}) {
  return derivation({
    name,
    version: '1',
    builder: ['busybox/usr/bin/busybox', 'sh', '-euc', script],
    ...spec,
    env: { PATH: '/bin', ...spec.env },
    inputs: { busybox: toolsForBuilds.busybox, ...spec.inputs },
  })
}

export interface Builds {
  readonly store: Store
  readonly events: Event[]
  build(steps: readonly Derivation[], options?: Partial<RealizeOptions>): Promise<Realized>
}

/** A new store that has the tools of sandboxes, and nothing else. */
export async function storeForBuilds(t: ExecutionContext): Promise<Builds> {
  const store = openStore({ directory: join(memoryDirectory(t), 'mixos'), host: nodeHost })
  await addTools(store)
  const events: Event[] = []
  const build = (steps: readonly Derivation[], options: Partial<RealizeOptions> = {}) =>
    realize(store, steps, { ...quietly(events), tools: toolsForBuilds, ...options })
  return { store, events, build }
}

/** Gives a store the tools of sandboxes, as if it had made them. */
export async function addTools(store: Store): Promise<void> {
  const { bubblewrap, busybox } = await sandboxTools()
  const objects = { bubblewrap, busybox: dirname(dirname(dirname(busybox))) }
  for (const name of ['bubblewrap', 'busybox'] as const) {
    const label = labelOf(toolsForBuilds[name])
    const [source, maker] = [objects[name], 'the test']
    const out = await store.add({ source, label, candidates: new Map(), maker })
    const hash = hashDerivation(toolsForBuilds[name])
    const resolved = hash as string as ResolvedHash
    await store.remember({ label, derivation: hash, resolved, outputs: { out } })
  }
}
