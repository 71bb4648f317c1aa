import { once } from 'node:events'
import { join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { packageInfoPath, parseJson, parsePackageInfo } from '../../graph/package-info.ts'
import { flush } from '../disk/write.ts'
import type { Store } from '../store.ts'
import { isNumber, objectAt, placeLink } from './generations.ts'
import type { InstalledPackage } from './installed.ts'
import { type Candidate, OWN } from './plan-change.ts'

const directoryOf = ({ layout }: Store): string => join(layout.profiles, OWN)

/**
 * The package manager that is in use: in a profile of its own, so that whatever becomes of the system, there is one to
 * mend it. Undefined on a machine that has none, as while an image is made.
 */
export function ownPackage(store: Store): InstalledPackage | undefined {
  const { files } = store.host
  const link = join(directoryOf(store), 'current')
  if (!files.lstat(link)) return undefined
  const path = objectAt(store, join(directoryOf(store), files.readLink(link)))
  const at = join(store.hostPath(path), packageInfoPath(OWN))
  const text = files.read(at)
  if (!text) throw new MixosError('PACKAGE_INVALID', `${link} leads to ${path}, which is no ${OWN}`)
  return { ...parsePackageInfo(parseJson(text.toString(), at), at), path, isRequested: true }
}

/**
 * Makes an object of the store the package manager from the next command on; the one before stays beside it, as
 * `profiles/mix/<number>`. Durable when it resolves.
 */
export async function replaceOwn(store: Store, { path }: Candidate): Promise<void> {
  const { files } = store.host
  const directory = directoryOf(store)
  const before = files.readLink(join(directory, 'current'))
  const numbers = files.list(directory).filter(isNumber)
  const next = String(Math.max(...numbers.map(Number)) + 1)
  placeLink(store, store.hostPath(path), join(directory, next))
  await flush(store.host, [directory])
  placeLink(store, next, join(directory, 'current'))
  await flush(store.host, [directory])
  for (const number of numbers) if (number !== before) files.unlink(join(directory, number))
}

/** Throws PACKAGE_INVALID for a package manager of the store that does not start. */
export async function requireStart(store: Store, { version, path }: Candidate): Promise<void> {
  const program = join(store.hostPath(path), 'bin', OWN)
  const child = store.host.processes.spawn(program, ['--version'], { stdio: 'ignore' })
  const how: unknown[] = await once(child, 'close').catch(error => [error.message])
  if (how[0] === 0) return
  throw new MixosError(
    'PACKAGE_INVALID',
    `${OWN} ${version} does not start: it ended with ${how[0] ?? how[1]}`,
    { hint: `the ${OWN} that is here stays; try ${program}` },
  )
}
