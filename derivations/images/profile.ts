import { type Derivation, derivation } from '../../graph/derivation.ts'

export interface ProfileSpec {
  readonly name: string
  readonly version: string
  /** What is installed, by the name that the package has there. */
  readonly packages: Readonly<Record<string, Derivation>>
}

/**
 * A profile: one tree of links into everything that is installed. The tool makes it itself, by the same rules as
 * `mix` on the target. Two packages that have the same file cannot be in one profile.
 */
export function profile({ name, version, packages }: ProfileSpec): Derivation {
  return derivation({
    name,
    version,
    builder: ['builtin:profile'],
    env: { requested: Object.keys(packages).sort().join(' ') },
    inputs: Object.fromEntries(
      Object.entries(packages).map(([name, drv]) => [name.replaceAll(/[^a-z0-9]/g, '_'), drv]),
    ),
  })
}
