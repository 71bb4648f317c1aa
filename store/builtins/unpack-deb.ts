import { unpackDeb } from '../unpack-deb.ts'
import type { Builtin } from './builtin.ts'

/** The Debian packages of all inputs, unpacked on top of each other in the order of the inputs' names. */
export const unpack: Builtin = async ({ store, inputs, target }) => {
  const packages = Object.values(inputs).map(path => store.hostPath(path))
  store.host.files.makeDirectory(target)
  await unpackDeb(store.host, packages, target)
}
