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
    inputs: inputsOf(packages),
  })
}

/** Packages as inputs, whose names hold no dash. */
export function inputsOf(
  packages: Readonly<Record<string, Derivation>>,
): Record<string, Derivation> {
  const name = (text: string): string => text.replaceAll(/[^a-z0-9]/g, '_')
  return Object.fromEntries(Object.entries(packages).map(([key, drv]) => [name(key), drv]))
}
