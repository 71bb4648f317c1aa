import { MixosError } from './error.ts'
import { didYouMean } from './nearest.ts'
import { shown } from './shown.ts'
import { explain } from './solver/explain.ts'
import { search } from './solver/search.ts'
import { type Candidate, universeOf } from './solver/universe.ts'
import { formatRequirement, type Requirement } from './version-range.ts'

export type { Candidate } from './solver/universe.ts'

export interface Problem<Package extends Candidate = Candidate> {
  /** All there is, in any order. Of several with the same name and version the first one counts. */
  readonly packages: readonly Package[]
  /** What has to be there in the end, also what was asked for before. */
  readonly requests: readonly Requirement[]
  /** Versions to keep where possible. One that is not among the packages is not kept. */
  readonly installed?: readonly { readonly name: string; readonly version: string }[]
}

/**
 * Which packages to have: one version of each that is asked for, and of all they depend on, and nothing else.
 * Sorted by name.
 *
 * It finds a solution if there is one. Versions that are installed stay where that is possible, and where it is
 * not, the newest that fit are taken, of what is asked for before what that depends on. The order of packages and
 * requests has no influence, and neither has what nothing depends on, whatever is wrong with it.
 *
 * Throws PACKAGE_UNKNOWN for a request of a name that there is not, with the nearest one, and PACKAGE_CONFLICT
 * if there is no solution, with the steps that lead to a contradiction.
 */
export function solve<Package extends Candidate>(problem: Problem<Package>): readonly Package[] {
  const { packages, requests, installed = [] } = problem
  const universe = universeOf(packages, installed)
  for (const { name } of requests) {
    if (universe.package(name).versions.length === 0) throw unknownPackage(name, universe.names)
  }
  const outcome = search(universe, requests.toSorted(byText))
  if ('chosen' in outcome) return outcome.chosen as readonly Package[]
  throw new MixosError('PACKAGE_CONFLICT', explain(outcome.failure), {
    hint: 'ask for other versions, or for less at once',
  })
}

function byText(a: Requirement, b: Requirement): number {
  const [first, second] = [formatRequirement(a), formatRequirement(b)]
  return first < second ? -1 : first > second ? 1 : 0
}

/** A PACKAGE_UNKNOWN error, with the nearest name or another way to go on. */
export function unknownPackage(name: string, names: readonly string[]): MixosError {
  const otherwise =
    names.length > 0
      ? 'search for what there is with: mix search'
      : 'the index is empty; fetch it with: mix update'
  return new MixosError('PACKAGE_UNKNOWN', `unknown package ${shown(name)}`, {
    hint: didYouMean(name, names) ?? otherwise,
  })
}
