import type { Requirement } from '../version-range.ts'
import type { Fates, Package } from './universe.ts'

/** What cannot all be so at once. One without terms says that there is no solution. */
export interface Incompatibility {
  readonly terms: ReadonlyMap<Package, Fates>
  readonly cause: Cause
}

export type Cause =
  | { readonly kind: 'request'; readonly requirement: Requirement; readonly on: Package }
  | {
      readonly kind: 'dependency'
      readonly dependent: Package
      readonly of: Fates
      readonly requirement: Requirement
      readonly on: Package
    }
  | {
      readonly kind: 'unreadable'
      readonly dependent: Package
      readonly of: Fates
      readonly text: string
    }
  | Derived

/** It follows from two others. */
export interface Derived {
  readonly kind: 'derived'
  readonly from: readonly [Incompatibility, Incompatibility]
}

/** Undefined where one of the terms never holds, so that nothing is said. */
export function incompatibility(
  parts: readonly (readonly [Package, Fates])[],
  cause: Cause,
): Incompatibility | undefined {
  const terms = new Map<Package, Fates>()
  for (const [item, fates] of parts) terms.set(item, (terms.get(item) ?? item.all) & fates)
  for (const [item, fates] of terms) {
    if (fates === 0n) return undefined
    if (fates === item.all) terms.delete(item)
  }
  return { terms, cause }
}

/**
 * What follows from both. If the rest of each holds, the pivot is neither what the one nor what the other says: so
 * both rests exclude all that either says of it.
 */
export function combine(
  first: Incompatibility,
  second: Incompatibility,
  pivot: Package,
): Incompatibility {
  const terms = new Map(first.terms)
  for (const [item, fates] of second.terms) {
    const before = terms.get(item)
    if (item === pivot) terms.set(item, (before ?? 0n) | fates)
    else terms.set(item, (before ?? item.all) & fates)
  }
  if (terms.get(pivot) === pivot.all) terms.delete(pivot)
  return { terms, cause: { kind: 'derived', from: [first, second] } }
}
