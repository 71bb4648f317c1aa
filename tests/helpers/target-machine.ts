import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { labelOfPath, type StorePath } from '../../graph/store-path.ts'
import type { Event } from '../../store/event.ts'
import type { Host } from '../../store/host.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { openStore, type Store } from '../../store/store.ts'
import { addGeneration, type Made, switchTo } from '../../store/target/generations.ts'
import type { Machine } from '../../store/target/machine.ts'
import { addProfile } from '../../store/target/profile-tree.ts'
import { memoryDirectory } from './temp-store.ts'

/** A machine in a directory: its store is `mix`, as on a real one. */
export function machineAt(root: string, host: Host = nodeHost): Machine {
  return { store: openStore({ directory: join(root, 'mix'), host }), root }
}

/** One with these packages in its first generation. */
export function newMachine(
  t: ExecutionContext,
  packages: (store: Store) => Promise<readonly StorePath[]>,
): Promise<Machine> {
  return machineIn(memoryDirectory(t), packages)
}

/** The same in a given directory. */
export async function machineIn(
  directory: string,
  packages: (store: Store) => Promise<readonly StorePath[]>,
): Promise<Machine> {
  const machine = machineAt(directory)
  const { store } = machine
  store.host.files.makeDirectory(join(store.layout.profiles, 'system'))
  store.host.files.makeDirectory(join(machine.root, 'etc'))
  const found = await packages(store)
  const names = found.map(path => labelOfPath(path).replace(/-1$/, ''))
  const path = await profileOf(store, found, names)
  const first = { number: 1, path, made: undefined }
  await addGeneration(store, first)
  await switchTo(store, first)
  return machine
}

export function profileOf(
  store: Store,
  packages: readonly StorePath[],
  requested: readonly string[] = [],
): Promise<StorePath> {
  return addProfile(store, { label: 'system-1', packages, requested })
}

/** What a change of the system is told, with its events in a list; who goes back does it as `made`. */
export function watching(events: Event[] = []) {
  const { signal } = new AbortController()
  const made: Made = { at: 2, user: 'root', command: ['rollback'] }
  return { report: (event: Event): void => void events.push(event), signal, made }
}
