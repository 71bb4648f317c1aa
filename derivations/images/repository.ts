import { type Derivation, derivation } from '../../graph/derivation.ts'
import { PACKAGE_INDEX_FORMAT } from '../../graph/package-index.ts'
import { inputsOf } from './profile.ts'

export interface RepositorySpec {
  readonly name: string
  readonly version: string
  readonly packages: Readonly<Record<string, Derivation>>
}

/**
 * Packages with all that they refer to, as files that any web server or medium can hold, and `packages.json`, the
 * index of them. It is not signed: a system believes it as a part of its own image, or after `mixos repo sign`.
 */
export function repository({ name, version, packages }: RepositorySpec): Derivation {
  return derivation({
    name,
    version,
    builder: ['builtin:repository-2'],
    env: { format: PACKAGE_INDEX_FORMAT },
    inputs: inputsOf(packages),
  })
}
