import { basename, dirname, join, resolve } from 'node:path'
import { blake3Hex } from '../graph/blake3.ts'
import { MixosError } from '../graph/error.ts'
import { digestOf, type ObjectHash, parseStorePath, type StorePath } from '../graph/store-path.ts'
import type { Store } from './store.ts'
import { syncDirectory } from './write.ts'

/** Something that keeps an object, and all it refers to, from being collected. */
export interface Root {
  /** The link outside the store. */
  readonly link: string
  readonly path: StorePath
}

/**
 * Points `link` at the object and registers the link: as long as it points there, the object stays. An older
 * symlink of that name is replaced; anything else is refused with BAD_ARGUMENT.
 */
export async function addRoot(store: Store, link: string, path: StorePath): Promise<void> {
  const { files, randomHex } = store.host
  const at = resolve(link)
  const existing = files.lstat(at)
  if (existing && !existing.isSymbolicLink()) {
    throw new MixosError('BAD_ARGUMENT', `${at} exists and is not a link`, {
      hint: 'choose another place with --out-link',
    })
  }
  const target = store.hostPath(path)
  const register = join(store.layout.roots, digestOf(blake3Hex(at) as ObjectHash))
  if (existing && files.readLink(at) === target && files.lstat(register)) return
  // Registered before it exists: there is never a link that looks like a root and is none. A symlink's target says which link it is; a name alone could not hold a whole path.
  const entry = join(store.layout.scratch, randomHex(20))
  files.symlink(at, entry)
  files.rename(entry, register)
  await syncDirectory(store.host, store.layout.roots)
  if (existing) {
    const temp = `${at}.${randomHex(8)}`
    files.symlink(target, temp)
    files.rename(temp, at)
  } else files.symlink(target, at)
  await syncDirectory(store.host, dirname(at))
}

/** The roots whose links still point into the store, by link. */
export function listRoots(store: Store): Root[] {
  const { files } = store.host
  const roots = files.list(store.layout.roots).flatMap(name => {
    const link = files.readLink(join(store.layout.roots, name))
    const path = objectAt(store, link)
    return path ? [{ link, path }] : []
  })
  return roots.sort((a, b) => (a.link < b.link ? -1 : 1))
}

/** Registrations whose links are gone or point elsewhere. */
export function staleRoots(store: Store): string[] {
  const { files } = store.host
  return files
    .list(store.layout.roots)
    .map(name => join(store.layout.roots, name))
    .filter(entry => !objectAt(store, files.readLink(entry)))
}

function objectAt(store: Store, link: string): StorePath | undefined {
  const { files } = store.host
  if (!files.lstat(link)?.isSymbolicLink()) return undefined
  const target = resolve(link, '..', files.readLink(link))
  const path = parseStorePath(basename(target))
  return path && target === store.hostPath(path) ? path : undefined
}
