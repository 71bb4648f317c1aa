import { MixosError } from '../../graph/error.ts'
import { type Report, warningOf } from '../event.ts'
import type { InstalledPackage } from './installed.ts'
import type { Machine } from './machine.ts'
import { enable, restart, services, stop } from './services.ts'

/**
 * Has services follow a change of the system: one whose package is gone is stopped, one from another build is started
 * again. What is enabled is the user's wish and stays so: it starts when its package is back, as after a rollback. A
 * service that does not obey is a warning, since the change itself is done.
 */
export async function followServices(
  machine: Machine,
  {
    before,
    after,
    ...options
  }: {
    readonly before: readonly InstalledPackage[]
    readonly after: readonly InstalledPackage[]
    readonly report: Report
    readonly signal: AbortSignal
  },
): Promise<void> {
  const [owners, next] = [ownersIn(before), ownersIn(after)]
  for (const { name, isEnabled, state } of services(machine)) {
    const [from, to] = [owners.get(name), next.get(name)]
    if (from === to) continue
    try {
      if (to === undefined) await stop(machine, name, options)
      else if (from !== undefined && state === 'running') await restart(machine, name, options)
      else if (isEnabled && state === 'unsupervised') await enable(machine, name, options)
    } catch (error) {
      if (!(error instanceof MixosError) || error.code === 'CANCELLED') throw error
      options.report(warningOf(error))
    }
  }
}

/** The object that brings each service. */
function ownersIn(packages: readonly InstalledPackage[]): Map<string, string> {
  return new Map(packages.flatMap(({ services, path }) => services.map(name => [name, path])))
}
