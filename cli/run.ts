import { accessSync, constants, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Derivation } from '../graph/derivation.ts'
import { MixosError } from '../graph/error.ts'
import type { PackageSet } from '../graph/package-set.ts'
import type { Outputs, Plan } from '../graph/plan.ts'
import { reasonOf } from '../store/disk/system-error.ts'
import type { Mirrors } from '../store/fetch/mirrors.ts'
import type { Tools } from '../store/realize/options.ts'
import { checkLink, ELSEWHERE } from '../store/roots.ts'
import type { Store } from '../store/store.ts'
import type { Substituter } from '../store/substituter.ts'
import { cachesOf } from './caches.ts'
import { type Context, openExistingHome } from './context.ts'
import { readLock } from './recipes.ts'

/** How to go about a realization. */
export interface RunFlags {
  readonly jobs: number
  readonly cores: number
  readonly keepGoing?: boolean
  readonly keepFailed?: boolean
  readonly check?: boolean
  readonly onlySubstitute?: boolean
}

export interface Run {
  readonly store: Store
  readonly packages: PackageSet
  readonly named: ReadonlyMap<string, Derivation>
  /** Links to make, and the package that each points to. */
  readonly links: ReadonlyMap<string, Derivation>
  readonly flags: RunFlags
  readonly substituter: Substituter
}

/** Realizes the named packages and links them. */
export async function realizeAll(
  context: Context,
  { store, packages, named, links, flags, substituter }: Run,
): Promise<ReadonlyMap<Derivation, Outputs>> {
  const { linksOfOutputs, realize } = await import('../store/realize.ts')
  for (const [link, drv] of links)
    for (const at of linksOfOutputs(link, drv).values()) prepareLink(store, at)
  return realize(store, [...new Set(named.values())], {
    ...flags,
    tools: toolsOf(packages),
    substituter,
    mirrors: await mirrorsOf(context, store),
    links,
    signal: context.signal,
    report: context.report,
  })
}

/** Throws FILE_UNAVAILABLE where no link can be made: better now than after the builds. */
function prepareLink(store: Store, link: string): void {
  checkLink(store, link)
  // It may be as it is to be.
  if (store.host.files.lstat(link)) return
  try {
    store.host.files.makeDirectory(dirname(link))
    accessSync(dirname(link), constants.W_OK)
  } catch (error) {
    const message = `cannot make the link ${link}: ${reasonOf(error)}`
    throw new MixosError('FILE_UNAVAILABLE', message, { hint: ELSEWHERE })
  }
}

interface PlanFlags {
  readonly named: ReadonlyMap<string, Derivation>
  readonly caches: readonly string[]
  readonly check?: boolean
}

/** What realizing would do. Changes nothing: also where there is no store yet, none is made. */
export async function planAt(
  context: Context,
  packages: PackageSet,
  { named, caches, check = false }: PlanFlags,
): Promise<Plan> {
  const roots = [...named.values()]
  const home = await openExistingHome(context)
  const { store, remove } = home ? { store: home, remove: () => undefined } : await emptyStore()
  await using substituter = cachesOf(context, store, caches)
  try {
    return await planWith(store, packages, { roots, substituter, again: check })
  } finally {
    remove()
  }
}

/** One that is as empty as the user's is going to be. */
async function emptyStore(): Promise<{ store: Store; remove: () => void }> {
  const [{ openStore }, { nodeHost }, { removeTree }] = await Promise.all([
    import('../store/store.ts'),
    import('../store/hosts/node.ts'),
    import('../store/disk/remove.ts'),
  ])
  const directory = temporaryDirectory()
  const store = openStore({ directory, host: nodeHost })
  return { store, remove: () => removeTree(nodeHost, directory) }
}

function temporaryDirectory(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'mixos-'))
  } catch (error) {
    const [reason = ''] = reasonOf(error).split(', ')
    const message = `no temporary directory can be made in ${tmpdir()}: ${reason}`
    throw new MixosError('FILE_UNAVAILABLE', message, {
      hint: 'set TMPDIR to a directory that this user may write to',
    })
  }
}

export async function planWith(
  store: Store,
  packages: PackageSet,
  {
    roots,
    ...options
  }: { roots: readonly Derivation[]; substituter: Substituter; again?: boolean },
): Promise<Plan> {
  const { planOf } = await import('../store/realize.ts')
  return planOf(store, roots, { ...options, tools: toolsOf(packages) })
}

function toolsOf(packages: PackageSet): Tools {
  return {
    bubblewrap: packages.get('seeds-bubblewrap'),
    busybox: packages.get('seeds-busybox'),
  }
}

async function mirrorsOf(context: Context, { host }: Store): Promise<Mirrors> {
  const { machineMirrors, withArchive } = await import('../store/fetch/mirrors.ts')
  return withArchive(machineMirrors(host, context.environment, context.report), readLock(context))
}
