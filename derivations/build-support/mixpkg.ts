import { type Derivation, derivation } from '../../graph/derivation.ts'

/** A package for the target as one file, for `mix install ./NAME.mixpkg`. */
export function mixpkg(of: Derivation): Derivation {
  return derivation({
    name: of.name,
    version: `${of.version}.mixpkg`,
    builder: ['builtin:mixpkg'],
    inputs: { package: of },
  })
}
