import type { Incompatibility } from './incompatibility.ts'
import { ABSENT, countOf, type Fates, isOne, type Package } from './universe.ts'

/** One step of the search: a package is narrowed down to some of what may become of it. */
export interface Assignment {
  readonly package: Package
  /** Where it stands among all assignments. */
  readonly index: number
  /** What it says alone, and what is left with all before it. */
  readonly fates: Fates
  readonly left: Fates
  /** How many decisions were made, this one included. */
  readonly level: number
  /** Why it is so; undefined for a decision. */
  readonly cause: Incompatibility | undefined
}

export interface Choice {
  readonly versions: number
  /** The version that is installed is among them. */
  readonly canStay: boolean
}

/** What is settled so far, in the order in which it was. */
export interface PartialSolution {
  readonly trail: Assignment[]
  readonly byPackage: Map<Package, Assignment[]>
  /** Packages that are needed and of which more than one version is left. */
  readonly open: Map<Package, Choice>
  level: number
}

export function emptySolution(): PartialSolution {
  return { trail: [], byPackage: new Map(), open: new Map(), level: 0 }
}

export function leftOf({ byPackage }: PartialSolution, item: Package): Fates {
  return byPackage.get(item)?.at(-1)?.left ?? item.all
}

export function decide(solution: PartialSolution, item: Package, fates: Fates): void {
  solution.level++
  assign(solution, item, fates, undefined)
}

/** Keeps the package from being any of these. */
export function exclude(
  solution: PartialSolution,
  item: Package,
  fates: Fates,
  cause: Incompatibility,
): void {
  assign(solution, item, item.all & ~fates, cause)
}

function assign(
  solution: PartialSolution,
  item: Package,
  fates: Fates,
  cause: Incompatibility | undefined,
): void {
  const { trail, byPackage, level } = solution
  const left = leftOf(solution, item) & fates
  const assignment = { package: item, index: trail.length, fates, left, level, cause }
  trail.push(assignment)
  const earlier = byPackage.get(item)
  if (earlier) earlier.push(assignment)
  else byPackage.set(item, [assignment])
  noteWhetherOpen(solution, item)
}

/** Takes back all that was settled after this many decisions. */
export function backtrack(solution: PartialSolution, level: number): void {
  const { trail, byPackage } = solution
  for (let last = trail.at(-1); last && last.level > level; last = trail.at(-1)) {
    trail.pop()
    byPackage.get(last.package)?.pop()
    noteWhetherOpen(solution, last.package)
  }
  solution.level = level
}

function noteWhetherOpen(solution: PartialSolution, item: Package): void {
  const left = leftOf(solution, item)
  if ((left & ABSENT) === 0n && !isOne(left)) {
    solution.open.set(item, {
      versions: countOf(left),
      canStay: (left & item.installed) !== 0n,
    })
  } else {
    solution.open.delete(item)
  }
}

export interface Satisfier {
  /** The assignment with which the last of the terms came to hold. */
  readonly assignment: Assignment
  /** The level at which, given that assignment, all terms already hold. */
  readonly previousLevel: number
}

/** Of an incompatibility of which all terms hold, and there is one. */
export function satisfierOf(
  solution: PartialSolution,
  { terms }: Incompatibility,
): Satisfier | undefined {
  let last: Assignment | undefined
  let previousLevel = 0
  for (const [item, fates] of terms) {
    const assignment = firstWithin(solution, item, fates)
    if (assignment && (!last || assignment.index > last.index)) {
      previousLevel = Math.max(previousLevel, last?.level ?? 0)
      last = assignment
    } else {
      previousLevel = Math.max(previousLevel, assignment?.level ?? 0)
    }
  }
  if (!last) return undefined
  const rest = (terms.get(last.package) ?? 0n) | (last.package.all & ~last.fates)
  const helper = rest === last.package.all ? undefined : firstWithin(solution, last.package, rest)
  return { assignment: last, previousLevel: Math.max(previousLevel, helper?.level ?? 0) }
}

function firstWithin(
  { byPackage }: PartialSolution,
  item: Package,
  fates: Fates,
): Assignment | undefined {
  return byPackage.get(item)?.find(({ left }) => (left & fates) === left)
}
