import { basename, dirname, join, relative, resolve } from 'node:path'
import { blake3Hex } from '../graph/blake3.ts'
import { MixosError } from '../graph/error.ts'
import { digestOf, type ObjectHash, parseStorePath, type StorePath } from '../graph/store-path.ts'
import { flush } from './disk/write.ts'
import type { Store } from './store.ts'
import { storeLock } from './store-lock.ts'

/** Something that keeps an object, and all it refers to, from being collected. */
export interface Root {
  /** The link outside the store. */
  readonly link: string
  readonly path: StorePath
}

/**
 * Points `link` at the object and registers the link: as long as it points there, the object stays. An older
 * link to an object is replaced; anything else is refused as by checkLink.
 */
export async function addRoot(store: Store, link: string, path: StorePath): Promise<void> {
  const at = resolve(link)
  checkLink(store, at)
  const name = digestOf(blake3Hex(at) as ObjectHash)
  const lock = await storeLock(store, name)
  try {
    await register(store, name, at)
    await point(store, at, store.hostPath(path))
  } finally {
    lock.release()
  }
}

/** Throws FILE_UNAVAILABLE where a root's link may not stand: in the store, and in place of all but a link to an object. */
export function checkLink({ host, directory }: Store, link: string): void {
  const { files } = host
  const refuse = (what: string): never => {
    throw new MixosError('FILE_UNAVAILABLE', `${link} ${what}`, { hint: ELSEWHERE })
  }
  const existing = files.lstat(link)
  if (existing && !existing.isSymbolicLink()) refuse('exists and is not a link')
  const target = existing && files.readLink(link)
  if (target !== undefined && !parseStorePath(basename(target)))
    refuse(`is a link to ${target}, which is no object of a store`)
  let parent = dirname(link)
  while (!files.lstat(parent)) parent = dirname(parent)
  const inside = relative(files.realPath(directory) ?? directory, files.realPath(parent) ?? parent)
  if (!inside.startsWith('..')) refuse('lies in the store itself')
}

export const ELSEWHERE = 'choose another place with --out-link'

/** Comes before the link itself, so that there is never a link that looks like a root and is none. */
async function register({ host, layout }: Store, name: string, link: string): Promise<void> {
  const at = join(layout.roots, name)
  if (host.files.lstat(at)) return
  // A symlink's target says which link it is; a name alone could not hold a whole path.
  const temp = join(layout.scratch, host.randomHex(20))
  host.files.symlink(link, temp)
  host.files.rename(temp, at)
  await flush(host, [layout.roots])
}

// ENOENT: of a directory of the kernel's, such as /proc, in which nothing can be made.
const UNLINKABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR'])

async function point({ host }: Store, link: string, target: string): Promise<void> {
  const { files, randomHex } = host
  try {
    if (!files.lstat(link)) files.symlink(target, link)
    else if (files.readLink(link) === target) return
    else {
      const temp = `${link}.${randomHex(8)}`
      files.symlink(target, temp)
      files.rename(temp, link)
    }
    await flush(host, [dirname(link)])
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined || !UNLINKABLE.has(code)) throw error
    throw new MixosError('FILE_UNAVAILABLE', `cannot make the link ${link}`, {
      hint: `what was realized is in the store; ${ELSEWHERE}`,
      cause: error,
    })
  }
}

/** The roots whose links still point into the store, by link; each generation of a profile is one. */
export function listRoots(store: Store): Root[] {
  const { files } = store.host
  const registered = registrations(store).map(entry => files.readLink(entry))
  const roots = [...registered, ...generationLinks(store)].flatMap(link => {
    const path = objectAt(store, link)
    return path ? [{ link, path }] : []
  })
  return roots.sort((a, b) => (a.link < b.link ? -1 : 1))
}

function generationLinks({ host, layout }: Store): string[] {
  const profiles = host.files
    .list(layout.profiles)
    .map(name => join(layout.profiles, name))
    .filter(path => host.files.lstat(path)?.isDirectory())
  return profiles.flatMap(profile => host.files.list(profile).map(name => join(profile, name)))
}

/** Registrations whose links are gone or point elsewhere. */
export function staleRoots(store: Store): string[] {
  const { files } = store.host
  return registrations(store).filter(entry => !objectAt(store, files.readLink(entry)))
}

/** Whatever else lies there is not ours. */
function registrations({ host, layout }: Store): string[] {
  return host.files
    .list(layout.roots)
    .map(name => join(layout.roots, name))
    .filter(entry => host.files.lstat(entry)?.isSymbolicLink())
}

function objectAt(store: Store, link: string): StorePath | undefined {
  const { files } = store.host
  if (!files.lstat(link)?.isSymbolicLink()) return undefined
  const target = resolve(link, '..', files.readLink(link))
  const path = parseStorePath(basename(target))
  if (!path) return undefined
  // The store may have another name than when the link was made.
  const [there, here] = [dirname(target), store.layout.objects].map(files.realPath)
  return there !== undefined && there === here ? path : undefined
}
