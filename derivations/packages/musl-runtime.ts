import type { Derivation } from '../../graph/derivation.ts'
import { script } from '../build-support/script.ts'
import { descriptionOf } from '../build-support/target-package.ts'

export interface MuslRuntimeSpec {
  /** Of musl. */
  readonly version: string
  readonly seeds: Derivation
  readonly musl: Derivation
}

/** The C library that every program of the target is started by, by a name in the profile: as `ldd`, it lists libraries. */
export function muslRuntime({ version, seeds, musl }: MuslRuntimeSpec): Derivation {
  const [packageInfoPath, packageInfo] = descriptionOf({
    name: 'musl',
    version,
    description: 'The C library, and ldd, which says what a program is linked with',
    license: 'MIT',
    homepage: 'https://musl.libc.org/',
  })
  return script({
    name: 'musl-runtime',
    version,
    root: seeds,
    inputs: { musl },
    env: { packageInfo, packageInfoPath },
    script: link,
  })
}

const link = `
mkdir -p "$out/bin" "$out/$(dirname "$packageInfoPath")"
ln -s "$musl/lib/libc.so" "$out/bin/ldd"
printf '%s' "$packageInfo" >"$out/$packageInfoPath"
`
