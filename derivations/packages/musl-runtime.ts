import type { Derivation } from '../../graph/derivation.ts'
import { plainPackage } from '../build-support/target-package.ts'

export interface MuslRuntimeSpec {
  /** Of musl. */
  readonly version: string
  readonly seeds: Derivation
  readonly musl: Derivation
}

/** The C library that every program of the target is started by, by a name in the profile: as `ldd`, it lists libraries. */
export function muslRuntime({ version, seeds, musl }: MuslRuntimeSpec): Derivation {
  return plainPackage({
    about: {
      name: 'musl',
      description: 'The C library, and ldd, which says what a program is linked with',
      license: 'MIT',
      homepage: 'https://musl.libc.org/',
    },
    name: 'musl-runtime',
    version,
    root: seeds,
    inputs: { musl },
    script: link,
  })
}

const link = `
mkdir "$out" "$out/bin"
ln -s "$musl/lib/libc.so" "$out/bin/ldd"
`
