import { MixosError } from '../../graph/error.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { siblingsIn } from '../cache/local-files.ts'
import { pullerOf } from '../cache/pull.ts'
import type { CacheStorage } from '../cache/storage.ts'
import { workersOn } from '../cache/workers.ts'
import { slotsOf } from '../slots.ts'
import type { Store } from '../store.ts'
import { currentGeneration, type Generation, type Made } from './generations.ts'
import type { Machine } from './machine.ts'
import { replaceOwn, requireStart } from './mix-itself.ts'
import { type Candidate, type Change, OWN } from './plan-change.ts'
import { addProfile, profileLinks } from './profile-tree.ts'
import { type TransitionOptions, transition } from './transition.ts'

export interface PerformOptions extends TransitionOptions {
  readonly made: Made
  /** The generation that the change was planned for. */
  readonly onto: number
  /** Where an offered package can be fetched from. */
  readonly storageOf: (candidate: Candidate) => Promise<CacheStorage>
  /** Called with the number of bytes that came. */
  readonly onBytes: (count: number) => void
  /** Called when everything is here. */
  readonly onFetched: () => void
}

const DOWNLOADS = 4
const LABEL = 'system-1'

/**
 * Does what was planned: fetches what is missing, file by file where another version is present, makes the new profile,
 * and moves the system to it. Until then, nothing but the store has changed; what was fetched stays for another try.
 */
export async function perform(
  machine: Machine,
  change: Change,
  options: PerformOptions,
): Promise<Generation> {
  const { store } = machine
  await fetchMissing(store, neededBy(change), options)
  const { requested } = change
  const own = ownIn(change)
  if (own) await requireStart(store, own)
  const links = refuseSharedFiles(store, change)
  options.onFetched()
  const packages = change.packages.map(({ path }) => path)
  const current = currentGeneration(store)
  const before = current.path
  const profile = await addProfile(store, { label: LABEL, packages, requested, links, before })
  const isSame = profile === current.path
  const generation = isSame ? current : await transition(machine, profile, options)
  // Last, so that whoever made a change also completes it.
  if (own) await replaceOwn(store, own)
  return generation
}

/**
 * Throws PACKAGE_CONFLICT, with the way out, for two packages that bring
 * one file, as far as it is known what they bring: of those that are here. Else gives the links of their profile.
 */
export function refuseSharedFiles(
  store: Store,
  { packages, added, replaced }: Change,
): Map<string, string> {
  const here = new Map(packages.filter(({ path }) => store.has(path)).map(one => [one.path, one]))
  const comes = new Set([...added, ...replaced.map(({ to }) => to)].map(({ path }) => path))
  return profileLinks(store, [...here.keys()], (at, ...paths) => {
    const both = paths.flatMap(path => here.get(path) ?? [])
    const stays = both.find(({ path }) => !comes.has(path))?.name
    const names = both.map(({ name, version }) => `${name} ${version}`).join(' and ')
    return new MixosError('PACKAGE_CONFLICT', `${names} both bring ${at}`, {
      hint: stays
        ? `leave the other one out, or remove ${stays} with: mix remove ${stays}`
        : 'only one of them can be installed: leave the other one out',
    })
  })
}

/** What the package manager becomes, if it becomes another one. */
const ownIn = ({ replaced }: Change): Candidate | undefined =>
  replaced.find(({ to }) => to.name === OWN)?.to

function neededBy(change: Change): readonly Candidate[] {
  const own = ownIn(change)
  return own ? [...change.packages, own] : change.packages
}

/** Objects of a change that are not here. */
export function missingOf(store: Store, change: Change): StorePath[] {
  const all = new Set(neededBy(change).flatMap(({ closure }) => closure))
  return [...all].filter(path => !store.has(path)).sort()
}

type FetchOptions<T> = Pick<PerformOptions, 'signal' | 'onBytes'> & {
  readonly storageOf: (object: T) => Promise<CacheStorage>
}

/** Makes objects exist here, with all that they refer to: file by file where another version is present. */
export async function fetchMissing<T extends { readonly path: StorePath }>(
  store: Store,
  objects: readonly T[],
  { signal, storageOf, onBytes }: FetchOptions<T>,
): Promise<void> {
  const missing = objects.filter(({ path }) => !store.has(path))
  if (missing.length === 0) return
  // A second thread would be a second runtime, and memory is short here.
  await using workers = workersOn(store.host, { threads: false })
  const puller = pullerOf(store, {
    workers,
    siblings: siblingsIn(store),
    downloads: slotsOf(DOWNLOADS),
    signal,
  })
  for (const object of missing) {
    await puller.pull(await storageOf(object), object.path, { onBytes })
  }
}
