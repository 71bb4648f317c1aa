import { MixosError } from '../../graph/error.ts'
import { didYouMean } from '../../graph/nearest.ts'
import type { PackageEntry } from '../../graph/package-index.ts'
import { solve } from '../../graph/solver.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { compareVersions } from '../../graph/version.ts'
import { parseRequirement, type Requirement } from '../../graph/version-range.ts'
import type { InstalledPackage } from './installed.ts'
import { isUpgrade, newestOf } from './newest.ts'

/** What a user wants of the system. */
export interface Wish {
  readonly install?: readonly Requirement[]
  readonly remove?: readonly string[]
  /** Removes also what depends on what is removed. */
  readonly cascade?: boolean
  /** These may become newer, or all of them. */
  readonly upgrade?: readonly string[] | 'all'
}

/** What there is to choose from. */
export interface Known {
  readonly installed: readonly InstalledPackage[]
  /** The package manager, which is in no generation. */
  readonly own?: InstalledPackage | undefined
  readonly offered: readonly PackageEntry[]
  /** From files: each comes before what is offered of its version. */
  readonly local?: readonly Candidate[]
}

/** A package of one version that can be, or is, installed. */
export interface Candidate {
  readonly name: string
  readonly version: string
  readonly dependencies: readonly string[]
  readonly path: StorePath
  /** The object and what it refers to; known of what a repository offers. */
  readonly closure: readonly StorePath[]
}

/** How the installed packages change: what `--dry-run` prints is what is done. */
export interface Change {
  readonly packages: readonly Candidate[]
  readonly requested: readonly string[]
  readonly added: readonly Candidate[]
  readonly removed: readonly Candidate[]
  /** Newer, older, or the same version from another build; the package manager too, which is none of `packages`. */
  readonly replaced: readonly Replacement[]
}

export interface Replacement {
  readonly from: Candidate
  readonly to: Candidate
}

/**
 * What a wish means for what is installed. What needs nothing of the wish stays as it is; what is needed no more goes.
 * Throws PACKAGE_UNKNOWN, PACKAGE_CONFLICT with the reasons, and BAD_ARGUMENT for what no machine can do without.
 */
export function planChange(wish: Wish, known: Known): Change {
  refuseOwn(wish)
  const { installed, local = [] } = known
  const offered = known.offered.filter(({ name }) => name !== OWN)
  const now = new Map(installed.map(found => [found.name, candidateOf(found)]))
  const removed = removedBy(wish, installed)
  const install = wish.install ?? []
  const kept = installed
    .filter(({ name, isRequested }) => (isRequested || ESSENTIAL.has(name)) && !removed.has(name))
    .filter(({ name }) => !install.some(wanted => wanted.name === name))
    .map(({ name }) => ({ name, constraints: [] }))
  const mayChange = (name: string): boolean =>
    wish.upgrade === 'all' || (wish.upgrade?.includes(name) ?? false)
  const candidates = candidatesOf({ installed: [...now.values()], offered, local }, mayChange)
  const isHeld = ({ name }: Candidate): boolean =>
    !mayChange(name) &&
    !install.some(wanted => wanted.name === name && wanted.constraints.length > 0)
  const solution = solve({
    packages: candidates,
    requests: [...kept, ...install],
    installed: [...now.values()].filter(isHeld),
  })
  const chosen = solution.map(({ name, version }) =>
    candidates.find(one => one.name === name && one.version === version),
  ) as Candidate[]
  refuseBroken(wish, chosen)
  const own = ownReplacement(wish, known)
  const requested = [...kept, ...install].map(({ name }) => name)
  const change = difference(now, chosen, requested)
  refuseEssential(change)
  return { ...change, replaced: [...change.replaced, ...own] }
}

/**
 * The package manager's name. Whatever becomes of the system, there has to be one: it is upgraded, and nothing else.
 */
export const OWN = 'mix'

/** What every machine starts with and cannot do without, and why. It is upgraded, and never removed. */
export const ESSENTIAL: ReadonlyMap<string, string> = new Map([
  ['base-files', 'accounts and names that every program relies on are in it'],
  ['boot', 'its kernel is what the machine starts with'],
  ['busybox', 'the shell and every usual command are in it'],
  ['init', 'it starts the machine'],
])

/** Throws BAD_ARGUMENT. */
function refuseEssential({ removed }: Change): void {
  for (const { name } of removed) {
    const reason = ESSENTIAL.get(name)
    if (reason === undefined) continue
    throw new MixosError('BAD_ARGUMENT', `${name} cannot be removed: ${reason}`, {
      hint: `it can be upgraded, with: mix upgrade ${name}`,
    })
  }
}

/** Throws BAD_ARGUMENT. */
function refuseOwn({ install = [], remove = [] }: Wish): void {
  if (install.some(({ name }) => name === OWN)) {
    throw new MixosError('BAD_ARGUMENT', `${OWN} is not part of the system, but beside it`, {
      hint: `take the newest one with: mix upgrade ${OWN}`,
    })
  }
  if (remove.includes(OWN)) {
    throw new MixosError('BAD_ARGUMENT', `${OWN} cannot remove itself`, {
      hint: 'nothing could be installed after that',
    })
  }
}

/** As with any package: by a newer one, or by another build. None or one. */
function ownReplacement({ upgrade }: Wish, { own, offered }: Known): Replacement[] {
  if (!own || !(upgrade === 'all' || upgrade?.includes(OWN))) return []
  const newest = newestOf(offered).get(OWN)
  const isBetter = newest && isUpgrade(own, newest)
  return isBetter ? [{ from: candidateOf(own), to: candidateOf(newest) }] : []
}

/** A PACKAGE_UNKNOWN error, with the nearest name of what is installed. */
export function notInstalled(name: string, names: readonly string[]): MixosError {
  return new MixosError('PACKAGE_UNKNOWN', `${name} is not installed`, {
    hint: didYouMean(name, names) ?? 'list what is, with: mix list',
  })
}

/** All that is to go: the named ones and, if that is wanted, all that need them. */
function removedBy(
  { remove = [], cascade }: Wish,
  installed: readonly InstalledPackage[],
): Set<string> {
  const names = installed.map(({ name }) => name)
  const unknown = remove.find(name => !names.includes(name))
  if (unknown !== undefined) throw notInstalled(unknown, names)
  const removed = new Set(remove)
  if (!cascade) return removed
  for (let before = -1; before !== removed.size; ) {
    before = removed.size
    for (const { name, dependencies } of installed) {
      if (dependencies.some(text => removed.has(parseRequirement(text).name))) removed.add(name)
    }
  }
  return removed
}

/**
 * Of each name and version one: a file's first, then the installed one, unless the newest build is wanted, then that of
 * the first repository that offers it.
 */
function candidatesOf(
  from: { readonly [of in 'installed' | 'local']: readonly Candidate[] } & Pick<Known, 'offered'>,
  mayChange: (name: string) => boolean,
): Candidate[] {
  const { local, installed } = from
  const offered = from.offered.map(candidateOf)
  const newest = offered.filter(({ name }) => mayChange(name))
  const all = new Map<string, Candidate>()
  for (const one of [...local, ...newest, ...installed, ...offered]) {
    const key = `${one.name} ${one.version}`
    if (!all.has(key)) all.set(key, one)
  }
  return [...all.values()]
}

/** What was to be removed and is there all the same is needed by something that stays. */
function refuseBroken({ remove = [] }: Wish, chosen: readonly Candidate[]): void {
  for (const name of remove) {
    const needing = chosen.filter(({ dependencies }) =>
      dependencies.some(text => parseRequirement(text).name === name),
    )
    if (!chosen.some(one => one.name === name)) continue
    const names = needing.map(one => `${one.name} ${one.version}`).join(', ')
    throw new MixosError('PACKAGE_CONFLICT', `${name} cannot be removed: ${names} depends on it`, {
      hint: `remove them too with: mix remove --cascade ${name}`,
    })
  }
}

function difference(
  now: ReadonlyMap<string, Candidate>,
  packages: readonly Candidate[],
  requested: readonly string[],
): Change {
  const names = new Set(packages.map(({ name }) => name))
  return {
    packages,
    requested: [...new Set(requested)].sort(),
    added: packages.filter(({ name }) => !now.has(name)),
    removed: [...now.values()].filter(({ name }) => !names.has(name)),
    replaced: packages.flatMap(to => {
      const from = now.get(to.name)
      return from && from.path !== to.path ? [{ from, to }] : []
    }),
  }
}

/** True where nothing would change. */
export function isEmpty({ added, removed, replaced }: Change): boolean {
  return added.length + removed.length + replaced.length === 0
}

/** A change in words, a package a line. */
export function describeChange({ added, removed, replaced }: Change): string[] {
  return [
    ...added.map(({ name, version }) => `install  ${name} ${version}`),
    ...replaced.map(({ from, to }) => {
      const order = compareVersions(from.version, to.version)
      const verb = order < 0 ? 'upgrade' : order > 0 ? 'downgrade' : 'rebuild'
      return `${verb.padEnd(8)} ${to.name} ${from.version} -> ${to.version}`
    }),
    ...removed.map(({ name, version }) => `remove   ${name} ${version}`),
  ]
}

/** An object whose closure is not known is here already. */
export function candidateOf(
  found: Omit<Candidate, 'closure'> & { readonly closure?: readonly StorePath[] },
): Candidate {
  const { name, version, dependencies, path } = found
  return { name, version, dependencies, path, closure: found.closure ?? [path] }
}
