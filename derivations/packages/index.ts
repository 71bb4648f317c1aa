import type { Lock } from '../../graph/lock.ts'
import type { Definitions } from '../../graph/package-set.ts'
import { networkPackages } from './network.ts'
import { tools } from './tools.ts'

/** Every package that can be installed on a machine, by name. */
export function targetPackagesOf(lock: Lock): Definitions {
  return { ...networkPackages(lock), ...tools(lock) }
}
