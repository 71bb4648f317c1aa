import { MixosError } from '../error.ts'
import { compareVersions } from '../version.ts'
import { matches, parseRequirement, type Requirement } from '../version-range.ts'

/** A package in one version, as a repository or a machine has it. */
export interface Candidate {
  readonly name: string
  readonly version: string
  /** Requirements as text. They are first read when the package is needed. */
  readonly dependencies: readonly string[]
}

/**
 * What may become of a package, as a set of bits: bit 0 stands for "not installed", bit i + 1 for its version i. To
 * say "any version but 2" and "version 2 or not at all" is then the same as to say anything else.
 */
export type Fates = bigint

export const ABSENT: Fates = 1n

/** All versions of one name; without any, for a name that nobody has. */
export interface Package {
  readonly name: string
  /** Oldest first. */
  readonly versions: readonly Candidate[]
  /** All that may become of it. */
  readonly all: Fates
  /** The version that is installed, where it is among the versions. */
  readonly installed: Fates
}

export interface Universe {
  package(name: string): Package
  readonly names: readonly string[]
}

/** Only groups by name: what is asked for decides how much of it is looked at. */
export function universeOf(
  candidates: readonly Candidate[],
  installed: readonly { readonly name: string; readonly version: string }[],
): Universe {
  const byName = Map.groupBy(candidates, ({ name }) => name)
  const installedVersions = new Map(installed.map(({ name, version }) => [name, version]))
  const known = new Map<string, Package>()
  return {
    names: [...byName.keys()].sort(),
    package: name => {
      const made =
        known.get(name) ?? packageOf(name, byName.get(name) ?? [], installedVersions.get(name))
      known.set(name, made)
      return made
    },
  }
}

function packageOf(
  name: string,
  candidates: readonly Candidate[],
  installed: string | undefined,
): Package {
  // Sorting is stable, so the first one given is the one kept.
  const versions = candidates
    .toSorted((a, b) => compareVersions(a.version, b.version))
    .filter(({ version }, i, all) => i === 0 || compareVersions(version, all[i - 1]?.version ?? ''))
  const isInstalled = ({ version }: Candidate) =>
    installed !== undefined && compareVersions(version, installed) === 0
  return {
    name,
    versions,
    all: (1n << BigInt(versions.length + 1)) - 1n,
    installed: fatesWhere(versions, isInstalled),
  }
}

/** The versions of it that fit. */
export function fitting({ versions }: Package, requirement: Requirement): Fates {
  return fatesWhere(versions, ({ version }) => matches(requirement, version))
}

/** The versions among the fates, oldest first. */
export function versionsOf({ versions }: Package, fates: Fates): readonly Candidate[] {
  return versions.filter((_, index) => (fates & fateOf(index)) !== 0n)
}

function fateOf(index: number): Fates {
  return 1n << BigInt(index + 1)
}

/** The newest of several versions. */
export function newestOf(fates: Fates): Fates {
  return 1n << BigInt(fates.toString(2).length - 1)
}

export function isOne(fates: Fates): boolean {
  return (fates & (fates - 1n)) === 0n
}

export function countOf(fates: Fates): number {
  let count = 0
  for (let rest = fates; rest !== 0n; rest &= rest - 1n) count++
  return count
}

/** What a package's versions depend on: each requirement once, with the versions that have it. */
export interface Dependency {
  readonly of: Fates
  /** A text that cannot be read stands for a version that cannot be installed. */
  readonly requirement: Requirement | { readonly unreadable: string }
}

export function dependenciesOf({ versions }: Package): readonly Dependency[] {
  const dependents = new Map<string, Fates>()
  for (const [index, { dependencies }] of versions.entries()) {
    for (const text of dependencies) {
      dependents.set(text, (dependents.get(text) ?? 0n) | fateOf(index))
    }
  }
  return [...dependents].map(([text, of]) => ({ of, requirement: readRequirement(text) }))
}

function readRequirement(text: string): Dependency['requirement'] {
  try {
    return parseRequirement(text)
  } catch (error) {
    if (!(error instanceof MixosError)) throw error
    return { unreadable: text }
  }
}

function fatesWhere(
  versions: readonly Candidate[],
  isMeant: (candidate: Candidate) => boolean,
): Fates {
  return versions.reduce(
    (fates, candidate, index) => (isMeant(candidate) ? fates | fateOf(index) : fates),
    0n,
  )
}
