import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { StorePath } from '../../graph/store-path.ts'
import { generateKey } from '../../store/cache/keys.ts'
import type { Host } from '../../store/host.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import type { RepositoryKeys } from '../../store/repository/keys.ts'
import { type Publication, type PublishOptions, publish } from '../../store/repository/publish.ts'
import { openStore, type Store } from '../../store/store.ts'
import { addPackage } from './package.ts'
import { addTree, memoryDirectory } from './temp-store.ts'

export const DAY = 24 * 60 * 60 * 1000
export const NOW = Date.UTC(2026, 0, 31)

/** Keys that are the same for the same seed, a hexadecimal digit. */
export function keysOf(seed: string): RepositoryKeys {
  const key = (role: string, salt: string) =>
    generateKey({ ...nodeHost, randomHex: digits => (seed + salt).repeat(digits / 2) }, role)
  return {
    root: [key('root', '1')],
    targets: key('targets', '2'),
    snapshot: key('snapshot', '3'),
    timestamp: key('timestamp', '4'),
  }
}

export const KEYS = keysOf('a')

/** A store with a library and a program that refers to it. */
export async function packagesIn(
  t: ExecutionContext,
  host: Host = nodeHost,
): Promise<{ store: Store; library: StorePath; program: StorePath }> {
  const store = openStore({ directory: join(memoryDirectory(t), 'mixos'), host })
  const library = await addTree(store, 'library', { tree: { 'lib/a.so': 'code'.repeat(100) } })
  const program = await addPackage(store, 'program', {
    tree: { 'bin/program': { executable: `#!/bin/sh\n# ${library}\n` } },
    references: [library],
  })
  return { store, library, program }
}

export function published(
  store: Store,
  directory: string,
  packages: readonly StorePath[],
  options: Partial<PublishOptions> = {},
): Promise<Publication> {
  const { signal } = new AbortController()
  return publish(store, {
    directory,
    packages,
    keys: KEYS,
    now: NOW,
    signal,
    report: () => undefined,
    ...options,
  })
}
