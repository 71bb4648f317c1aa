import { MixosError } from '../../graph/error.ts'
import type { InstalledPackage } from '../../store/target/installed.ts'
import { notInstalled } from '../../store/target/plan-change.ts'
import type { MixContext } from './context.ts'
import { offeredBy } from './offered.ts'

/** The installed package of that name. Throws PACKAGE_UNKNOWN, which says how to install one that is on offer. */
export async function installedNamed(
  context: MixContext,
  name: string,
  installed: readonly InstalledPackage[],
): Promise<InstalledPackage> {
  const found = installed.find(one => one.name === name)
  if (found) return found
  const error = notInstalled(
    name,
    installed.map(one => one.name),
  )
  if (!(await offeredBy(context)).some(one => one.name === name)) throw error
  throw new MixosError(error.code, error.message, { hint: `install it with: mix install ${name}` })
}
