import type { Requirement } from '../version-range.ts'
import { combine, type Incompatibility, incompatibility } from './incompatibility.ts'
import {
  backtrack,
  decide,
  emptySolution,
  exclude,
  leftOf,
  type PartialSolution,
  satisfierOf,
} from './partial-solution.ts'
import {
  ABSENT,
  type Candidate,
  dependenciesOf,
  type Fates,
  fitting,
  isOne,
  newestOf,
  type Package,
  type Universe,
  versionsOf,
} from './universe.ts'

export type Outcome =
  | { readonly chosen: readonly Candidate[] }
  /** Why there is no solution: an incompatibility without terms, and through its cause all that it follows from. */
  | { readonly failure: Incompatibility }

interface Search {
  readonly universe: Universe
  readonly solution: PartialSolution
  /** All that is known of a package; of its dependencies once it is needed. */
  readonly known: Map<Package, Incompatibility[]>
  readonly read: Set<Package>
  readonly requested: ReadonlySet<Package>
}

/**
 * PubGrub: follow what is known to what follows from it; where all of an incompatibility holds, find out why, learn
 * that as a new incompatibility, and go back to where it would have changed something; where nothing follows any
 * more, decide one version. Each conflict rules out at least what led to it, so this ends.
 */
export function search(universe: Universe, requests: readonly Requirement[]): Outcome {
  const requested = requests.map(requirement => universe.package(requirement.name))
  const state: Search = {
    universe,
    solution: emptySolution(),
    known: new Map(),
    read: new Set(),
    requested: new Set(requested),
  }
  for (const requirement of requests) {
    const on = universe.package(requirement.name)
    const wrong = on.all & ~fitting(on, requirement)
    const request = incompatibility([[on, wrong]], { kind: 'request', requirement, on })
    if (request?.terms.size === 0) return { failure: request }
    if (request) learn(state, request)
  }
  let changed: Iterable<Package> = requested
  for (;;) {
    const failure = propagate(state, changed)
    if (failure) return { failure }
    const next = mostPressing(state)
    if (!next) return { chosen: chosenOf(state.solution) }
    decide(state.solution, next, preferred(next, leftOf(state.solution, next)))
    changed = [next]
  }
}

/** Returns why there is no solution, if it finds that out. */
function propagate(state: Search, changed: Iterable<Package>): Incompatibility | undefined {
  const { solution, known } = state
  const queue = new Set(changed)
  // What is added while this runs is met as well, also what was met and deleted before.
  for (const item of queue) {
    queue.delete(item)
    if ((leftOf(solution, item) & ABSENT) === 0n) readDependencies(state, item)
    for (const incompatibility of known.get(item) ?? []) {
      const open = openTerm(solution, incompatibility)
      if (open === 'none') {
        const learned = resolve(solution, incompatibility)
        if (learned.terms.size === 0) return learned
        if (learned !== incompatibility) learn(state, learned)
        queue.clear()
        for (const affected of learned.terms.keys()) queue.add(affected)
        break
      }
      if (open) {
        exclude(solution, open, incompatibility.terms.get(open) ?? 0n, incompatibility)
        queue.add(open)
      }
    }
  }
  return undefined
}

/** The one package whose term is undecided while all others hold; `none` if all hold; else undefined. */
function openTerm(
  solution: PartialSolution,
  { terms }: Incompatibility,
): Package | 'none' | undefined {
  let open: Package | undefined
  for (const [item, fates] of terms) {
    const left = leftOf(solution, item)
    const common = left & fates
    if (common === left) continue
    if (common === 0n || open) return undefined
    open = item
  }
  return open ?? 'none'
}

/**
 * All of the incompatibility holds. Follows it back until it is about one decision only, and takes back what was
 * settled since the others: what is returned then has one term left that does not hold, or no terms at all.
 */
function resolve(solution: PartialSolution, conflict: Incompatibility): Incompatibility {
  let current = conflict
  for (;;) {
    const satisfier = satisfierOf(solution, current)
    if (!satisfier) return current
    const { assignment, previousLevel } = satisfier
    if (!assignment.cause || previousLevel < assignment.level) {
      backtrack(solution, previousLevel)
      return current
    }
    current = combine(current, assignment.cause, assignment.package)
  }
}

/** Facts about all versions at once, so that what is common to them is found out once. */
function readDependencies(state: Search, dependent: Package): void {
  if (state.read.has(dependent)) return
  state.read.add(dependent)
  for (const { of, requirement } of dependenciesOf(dependent)) {
    if ('unreadable' in requirement) {
      const cause = { kind: 'unreadable', dependent, of, text: requirement.unreadable } as const
      learn(state, incompatibility([[dependent, of]], cause))
    } else {
      const on = state.universe.package(requirement.name)
      const wrong = on.all & ~fitting(on, requirement)
      const cause = { kind: 'dependency', dependent, of, requirement, on } as const
      const terms = [[dependent, of] as const, [on, wrong] as const]
      learn(state, incompatibility(terms, cause))
    }
  }
}

function learn({ known }: Search, learned: Incompatibility | undefined): void {
  for (const item of learned?.terms.keys() ?? []) {
    const list = known.get(item)
    if (list) list.push(learned as Incompatibility)
    else known.set(item, [learned as Incompatibility])
  }
}

/**
 * The package to decide next: first those that can stay as they are, then those that were asked for, then the one
 * with the fewest versions left. Names settle the rest, so that the order of what was given has no influence.
 */
function mostPressing({ solution, requested }: Search): Package | undefined {
  let best: Package | undefined
  let bestRank = 0
  let fewest = 0
  for (const [item, { versions, canStay }] of solution.open) {
    const rank = canStay ? 0 : requested.has(item) ? 1 : 2
    const isBetter =
      !best || (rank - bestRank || versions - fewest || (item.name < best.name ? -1 : 1)) < 0
    if (isBetter) {
      best = item
      bestRank = rank
      fewest = versions
    }
  }
  return best
}

function preferred(item: Package, left: Fates): Fates {
  const kept = left & item.installed
  return kept === 0n ? newestOf(left) : kept
}

function chosenOf({ byPackage }: PartialSolution): readonly Candidate[] {
  return [...byPackage.keys()]
    .flatMap(item => {
      const left = byPackage.get(item)?.at(-1)?.left ?? item.all
      return (left & ABSENT) === 0n && isOne(left) ? versionsOf(item, left) : []
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}
