import { MixosError } from '../../graph/error.ts'
import { unpackDeb } from '../archives/unpack-deb.ts'
import type { Builtin } from './builtin.ts'

/** The Debian packages of all inputs, unpacked on top of each other in the order of the inputs' names. */
export const unpack: Builtin = async ({ store, inputs, target }) => {
  const packages = Object.entries(inputs).map(([name, path]) => {
    const at = store.hostPath(path)
    if (store.host.files.lstat(at)?.isFile() !== false) return at
    throw new MixosError(
      'DERIVATION_INVALID',
      `its input ${name} is no file, and so no Debian package`,
    )
  })
  store.host.files.makeDirectory(target)
  await unpackDeb(store.host, packages, target)
}
