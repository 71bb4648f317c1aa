import { join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import type { PackageEntry } from '../../graph/package-index.ts'
import { shown } from '../../graph/shown.ts'
import { type Digest, digestOfPath, isName, type StorePath } from '../../graph/store-path.ts'
import type { CacheStorage } from '../../store/cache/storage.ts'
import { schemeOf } from '../../store/scheme.ts'
import { knownIndex, openRepository } from '../../store/target/repository.ts'
import type { MixContext } from './context.ts'
import { machineRoot } from './machine.ts'

/** Where packages come from: an entry of `/etc/mix/repositories.json`. */
export interface Repository {
  readonly name: string
  /** A URL, or the path of a directory, such as of the medium. */
  readonly url: string
  /** The file of the TUF root that says whom to believe; a directory may lack it, whose index the image came with. */
  readonly root?: string
}

/** A package, and the repository that offers it. */
export interface Offer extends PackageEntry {
  readonly repository: Repository
}

/** In order of preference. Throws PACKAGE_INVALID, naming the file, the field and its value. */
export function repositoriesOf(context: MixContext): Repository[] {
  const at = join(machineRoot(context), 'etc/mix/repositories.json')
  const text = context.host.files.read(at)
  if (!text) return []
  const list: unknown = parseJson(text.toString(), at)
  if (!Array.isArray(list)) throw invalid(at, 'it is no list')
  return list.map((item: unknown, index) => {
    if (typeof item !== 'object' || item === null)
      throw invalid(at, `entry ${index + 1} is no record`)
    const { name, url, root, ...rest } = item as Record<string, unknown>
    if (!isName(name)) throw invalid(at, `entry ${index + 1} has the name ${shown(String(name))}`)
    if (typeof url !== 'string') throw invalid(at, `${name} has the url ${shown(String(url))}`)
    if (root !== undefined && typeof root !== 'string') {
      throw invalid(at, `${name} has the root ${shown(String(root))}`)
    }
    const [unknown] = Object.keys(rest)
    if (unknown !== undefined) throw invalid(at, `${name} has a field ${shown(unknown)}`)
    if (list.slice(0, index).some(other => other.name === name))
      throw invalid(at, `${name} is the name of two repositories`)
    // What was heard of it when it had one would be believed for ever.
    if (root === undefined && schemeOf(url) !== undefined)
      throw invalid(at, `${name} has no root, which says whom to believe`)
    return { name, url, ...(root !== undefined && { root }) }
  })
}

/** Where what was last heard of a repository is kept. */
export function stateOf(context: MixContext, { name }: Repository): string {
  return join(machineRoot(context), 'var/lib/mix', name)
}

/** All packages that repositories offer, as far as is known here; of one object, from the first repository. */
export async function offeredBy(context: MixContext): Promise<Offer[]> {
  const seen = new Set<string>()
  return repositoriesOf(context).flatMap(repository => {
    const { packages } = knownIndex(context.host, stateOf(context, repository)) ?? { packages: [] }
    return packages
      .filter(({ path }) => !seen.has(path) && seen.add(path))
      .map(entry => ({ ...entry, repository }))
  })
}

/** For people, where nothing is on offer. */
export function noteOn(offers: readonly unknown[]): { readonly note?: string } {
  return offers.length === 0 ? { note: 'nothing is on offer: first run mix update' } : {}
}

/** Every object that is part of an offered package, and one that it is part of, by digest. */
export function objectsOf(
  offers: readonly Offer[],
): Map<Digest, { readonly path: StorePath; readonly offer: Offer }> {
  return new Map(
    offers.flatMap(offer =>
      offer.closure.map(path => [digestOfPath(path), { path, offer }] as const),
    ),
  )
}

/** What each object that is offered takes, in bytes. */
export function sizesOf(offers: readonly Offer[]) {
  return new Map(
    offers.flatMap(({ closure, sizes, downloads }) =>
      closure.map((path, index) => {
        const [size = 0, download = 0] = [sizes[index], downloads[index]]
        return [path, { size, download }] as const
      }),
    ),
  )
}

/** The storages of repositories, each opened once. */
export function storagesOf({ host }: MixContext, offers: readonly Offer[]) {
  const open = new Map<string, CacheStorage>()
  return {
    of: async ({ path }: { readonly path: string }): Promise<CacheStorage> => {
      const offer = offers.find(one => one.path === path)
      if (!offer) throw new MixosError('OBJECT_UNKNOWN', `no repository offers ${path}`)
      const { url } = offer.repository
      const storage = open.get(url) ?? openRepository(host, url)
      open.set(url, storage)
      return storage
    },
    close: async (): Promise<void> => {
      for (const storage of open.values()) await storage.close()
    },
  }
}

function parseJson(text: string, at: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw invalid(at, `it is not JSON: ${(error as Error).message}`)
  }
}

function invalid(at: string, what: string): MixosError {
  return new MixosError('PACKAGE_INVALID', `${at}: ${what}`, {
    hint: 'it is a list of { "name", "url", "root" }; see the README',
  })
}
