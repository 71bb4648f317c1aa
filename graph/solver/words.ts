import { escaped } from '../shown.ts'
import { formatRequirement, type Requirement } from '../version-range.ts'
import type { Cause, Derived, Incompatibility } from './incompatibility.ts'
import {
  ABSENT,
  type Candidate,
  type Fates,
  fitting,
  type Package,
  versionsOf,
} from './universe.ts'

/** What was given, as a sentence without a full stop. */
export function describeFact(fact: Exclude<Cause, Derived>): string {
  if (fact.kind === 'request') {
    return `${formatRequirement(fact.requirement)} is asked for${whatThereIs(fact)}`
  }
  const dependent = describeVersions(fact.dependent, fact.of)
  if (fact.kind === 'unreadable') {
    return `${dependent} has a dependency that cannot be read, "${escaped(fact.text)}"`
  }
  return `${dependent} depends on ${formatRequirement(fact.requirement)}${whatThereIs(fact)}`
}

/** What an incompatibility with terms says, as a sentence without a full stop. */
export function describeTerms({ terms }: Incompatibility): string {
  const given: string[] = []
  const needed: string[] = []
  const byName = [...terms].sort(([a], [b]) => (a.name < b.name ? -1 : 1))
  for (const [item, fates] of byName) {
    if ((fates & ABSENT) === 0n) given.push(describeVersions(item, fates))
    else needed.push(describeVersions(item, item.all & ~fates))
  }
  if (needed.length === 0) {
    if (given.length === 1) return `${given[0]} cannot be installed`
    return `${joined(given, 'and')} cannot be installed together`
  }
  if (given.length === 0) return `${joined(needed, 'or')} is needed`
  const verb = given.length === 1 ? 'needs' : 'together need'
  return `${joined(given, 'and')} ${verb} ${joined(needed, 'or')}`
}

const MOST = 12

/** `a`, `a and b`, `a, b and c`; the end of what is too long to read is only counted. */
export function joined(parts: readonly string[], word: 'and' | 'or', most = MOST): string {
  const some =
    parts.length > most ? [...parts.slice(0, most), `${parts.length - most} more`] : parts
  const last = some.at(-1) ?? ''
  return some.length < 2 ? last : `${some.slice(0, -1).join(', ')} ${word} ${last}`
}

/** Empty where something fits. */
function whatThereIs({ requirement, on }: { requirement: Requirement; on: Package }): string {
  if (on.versions.length === 0) return ` (there is no package ${on.name})`
  if (fitting(on, requirement) !== 0n) return ''
  return ` (there is only ${on.name} ${listed(on.versions, 'and')})`
}

/** The package alone stands for all its versions; other sets are given as ranges where they are some. */
function describeVersions(item: Package, fates: Fates): string {
  const { name, versions } = item
  const meant = versionsOf(item, fates)
  const [oldest, newest] = [meant[0], meant.at(-1)]
  if (!oldest || !newest) return `no version of ${name}`
  if (meant.length === 1) return `${name} ${escaped(oldest.version)}`
  if (meant.length === versions.length) return name
  const start = versions.indexOf(oldest)
  const isRun = versions[start + meant.length - 1] === newest
  if (!isRun) return `${name} ${listed(meant, 'or')}`
  const bounds = [
    ...(start > 0 ? [`>=${escaped(oldest.version)}`] : []),
    ...(newest !== versions.at(-1) ? [`<=${escaped(newest.version)}`] : []),
  ]
  return name + bounds.join(',')
}

/** Newest first: older ones are less likely to be of interest. */
function listed(versions: readonly Candidate[], word: 'and' | 'or'): string {
  return joined(versions.map(({ version }) => escaped(version)).reverse(), word, 5)
}
