import { basename, dirname, join } from 'node:path'
import { removeTree } from '../disk/remove.ts'
import type { Host } from '../host.ts'
import type { Machine } from './machine.ts'

const ETC = '/mix/profiles/system/current/etc'

/** Where the current profile has what is at `path` below `/etc`: a link that leads there is one of ours. */
export const inProfile = (path: string): string => `${ETC}/${path}`

/** Where something is made that gets the name `at`: always the same, so that what a power cut left there is found. */
export const scratchOf = (at: string): string => join(dirname(at), `.${basename(at)}.mixtemp`)

/** The first directory on the way that is a link into the profile, relative to `/etc`. */
export function linkedParent(machine: Machine, path: string): string | undefined {
  return parentsOf(path).find(parent => isLinkOfOurs(machine, parent))
}

/**
 * What is on the way and can be gone neither through nor around, relative to `/etc`. A link of the user's is
 * gone through: unless somebody else made it, it leads nowhere, or into the store, where nothing may be written.
 */
export function obstacle(machine: Machine, path: string): string | undefined {
  const { host, layout } = machine.store
  return parentsOf(path).find(parent => {
    const at = join(machine.root, 'etc', parent)
    const found = host.files.lstat(at)
    if (!found || found.isDirectory() || isLinkOfOurs(machine, parent)) return false
    if (!found.isSymbolicLink() || found.uid !== host.processes.uid) return true
    const real = host.files.realPath(at)
    if (real === undefined || real.startsWith(`${layout.objects}/`)) return true
    return !host.files.lstat(real)?.isDirectory()
  })
}

/** Directories all the way: one that is a link into the profile becomes a directory of links to what is in it. */
export async function makeParents(machine: Machine, path: string): Promise<void> {
  for (const parent of parentsOf(path)) await unlinkParent(machine, parent)
  machine.store.host.files.makeDirectory(dirname(join(machine.root, 'etc', path)), 0o755)
}

/** The directory is whole and on disk before the link goes; a power cut just then leaves it at its scratch path. */
async function unlinkParent(machine: Machine, parent: string): Promise<void> {
  const { host } = machine.store
  const { files } = host
  const at = join(machine.root, 'etc', parent)
  const temp = scratchOf(at)
  const isCut = !files.lstat(at) && files.lstat(temp)?.isDirectory()
  if (isCut) return files.rename(temp, at)
  if (!isLinkOfOurs(machine, parent)) return
  try {
    removeTree(host, temp)
    files.makeDirectory(temp, 0o755)
    const held = join(machine.root, inProfile(parent))
    const names = files.lstat(held) ? files.list(held) : []
    for (const name of names) files.symlink(inProfile(`${parent}/${name}`), join(temp, name))
    await files.sync(temp)
    files.unlink(at)
    files.rename(temp, at)
  } catch (error) {
    if (!files.lstat(at)) files.symlink(inProfile(parent), at)
    removeTree(host, temp)
    throw error
  }
}

/** True for a link to what the current profile has at that path. */
export function isLinkOfOurs({ store, root }: Machine, path: string): boolean {
  const { files } = store.host
  const at = join(root, 'etc', path)
  return Boolean(files.lstat(at)?.isSymbolicLink()) && files.readLink(at) === inProfile(path)
}

/** True for a directory in which there will be nothing, but for directories, once these paths are removed. */
export function willBeEmpty(machine: Machine, path: string, removed: ReadonlySet<string>): boolean {
  const { files } = machine.store.host
  const at = join(machine.root, 'etc', path)
  return files.list(at).every(name => {
    const held = `${path}/${name}`
    if (removed.has(held)) return true
    return files.lstat(join(at, name))?.isDirectory() && willBeEmpty(machine, held, removed)
  })
}

/** Deletes such a directory; another one stays, and it throws. */
export function removeEmpty(host: Host, at: string): void {
  for (const name of host.files.list(at)) removeEmpty(host, join(at, name))
  host.files.removeDirectory(at)
}

/** `a/b` and `a` of `a/b/c`, the outermost first. */
function parentsOf(path: string): string[] {
  const names = path.split('/').slice(0, -1)
  return names.map((_, index) => names.slice(0, index + 1).join('/'))
}
