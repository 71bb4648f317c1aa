import { dirname } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { openStore } from '../../store/store.ts'
import { currentGeneration, type Made } from '../../store/target/generations.ts'
import { type InstalledPackage, installedIn } from '../../store/target/installed.ts'
import type { Machine } from '../../store/target/machine.ts'
import { ownPackage } from '../../store/target/mix-itself.ts'
import type { MixContext } from './context.ts'

/** The machine that the store is part of: packages put files below its root. */
export function openMachine({ host, root }: MixContext): Machine {
  return { store: openStore({ directory: root, host }), root: machineRoot({ root }) }
}

/** The machine's own root directory, `/` on a real one. */
export const machineRoot = ({ root }: Pick<MixContext, 'root'>): string => dirname(root)

/** The packages of a profile, by name; undefined where that is damaged, or not there. */
export function readablePackages(
  { store }: Machine,
  path: StorePath | undefined,
): InstalledPackage[] | undefined {
  try {
    return path && installedIn(store, path)
  } catch (error) {
    if (error instanceof MixosError && error.code === 'PACKAGE_INVALID') return undefined
    throw error
  }
}

/** Who changes the system, and how. */
export function madeBy({ environment, host, argv }: MixContext): Made {
  const user = environment.SUDO_USER || environment.USER || environment.LOGNAME
  return { at: host.now(), user: user || `uid ${host.processes.uid}`, command: [...argv] }
}

/** The packages of the current generation, by name. */
export function systemNow({ store }: Machine): InstalledPackage[] {
  return installedIn(store, currentGeneration(store).path)
}

/** The same and the package manager itself, which is in no generation. */
export function installedNow(machine: Machine): InstalledPackage[] {
  const own = ownPackage(machine.store)
  return [...systemNow(machine), ...(own ? [own] : [])].sort((a, b) => (a.name < b.name ? -1 : 1))
}
