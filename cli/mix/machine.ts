import { dirname } from 'node:path'
import { openStore } from '../../store/store.ts'
import type { Machine } from '../../store/target/etc-files.ts'
import { currentGeneration } from '../../store/target/generations.ts'
import { type InstalledPackage, installedIn } from '../../store/target/installed.ts'
import type { MixContext } from './context.ts'

/** The machine that the store is part of: packages put files below its root. */
export function openMachine({ host, root }: MixContext): Machine {
  return { store: openStore({ directory: root, host }), root: dirname(root) }
}

export function installedNow({ store }: Machine): InstalledPackage[] {
  return installedIn(store, currentGeneration(store).path)
}
