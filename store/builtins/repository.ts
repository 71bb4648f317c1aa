import { join } from 'node:path'
import { formatPackageIndex } from '../../graph/package-index.ts'
import { pushObjects } from '../cache/push.ts'
import { directoryStorage } from '../cache/storages/directory.ts'
import { entriesOf } from '../repository/entries.ts'
import { INDEX } from '../repository/layout.ts'
import type { Builtin } from './builtin.ts'

/** A cache that holds the closures of the inputs, each of which is a package, and the index of them, unsigned. */
export const makeRepository: Builtin = async ({ store, inputs, target, signal }) => {
  const { host } = store
  const packages = Object.values(inputs).sort()
  host.files.makeDirectory(target)
  const storage = directoryStorage(host, target)
  await pushObjects(store, storage, packages, { signal, report: () => undefined })
  const entries = await entriesOf(store, storage, { packages, signal })
  host.files.writeNew(join(target, INDEX), formatPackageIndex({ packages: entries }))
}
