import { join } from 'node:path'
import type { StorePath } from '../../graph/store-path.ts'
import type { Files } from '../host.ts'
import { recordOf } from '../object-closure.ts'
import type { Store } from '../store.ts'
import { inProfile, isLinkOfOurs, linkedParent, obstacle, willBeEmpty } from './etc-directories.ts'
import { type InstalledPackage, installedIn } from './installed.ts'
import type { Machine } from './machine.ts'

/** What is to be done to a file below `/etc` when one profile replaces another. */
export type EtcChange =
  /** A link into the current profile: the file is the package's. */
  | { readonly action: 'link'; readonly path: string }
  /** A copy, which is the user's from then on. */
  | { readonly action: 'copy'; readonly path: string; readonly from: string }
  /** The user has changed it, and the package brings another one than before: that is put beside it, as `.mixnew`. */
  | { readonly action: 'copy-beside'; readonly path: string; readonly from: string }
  | { readonly action: 'remove'; readonly path: string }
  /** Nothing, since `by`, on the way there, is no directory to go through; or is one, where the file would be. */
  | { readonly action: 'none'; readonly path: string; readonly by: string }

/**
 * What has to change below `/etc`, what goes first, and sorted by path: only what differs between the profiles, so what the user has changed
 * or deleted stays so. A directory that is itself a link into the profile changes with it, so nothing is done there
 * unless it holds a file that is the user's. Where `from` is not known, nothing goes.
 */
export function etcChanges(
  machine: Machine,
  from: StorePath | undefined,
  to: StorePath,
): EtcChange[] {
  const { store } = machine
  const [old, next] = [from ? installedIn(store, from) : [], installedIn(store, to)]
  // Nothing of what both have changes, so it need not be read.
  const before = etcOf(store, without(old, next))
  const after = etcOf(store, without(next, old))
  const gone = [...before].filter(
    ([path, file]) => !after.has(path) && isUntouched(machine, path, file),
  )
  const removed = new Set(gone.map(([path]) => path))
  const changes: EtcChange[] = []
  for (const [path, file] of after) {
    const versions = { before: before.get(path), after: file }
    const change = changeFor(machine, path, { ...versions, removed })
    const by = change && blockedBy(machine, path, { ...versions, removed })
    if (change) changes.push(by === undefined ? change : { action: 'none', path, by })
  }
  const byPath = (a: EtcChange, b: EtcChange): number => (a.path < b.path ? -1 : 1)
  const removals = [...removed].map((path): EtcChange => ({ action: 'remove', path }))
  // What was a file may become a directory, and the other way round.
  return [...removals.sort(byPath), ...changes.sort(byPath)]
}

/** What the user should know of a change, if anything. */
export function noticeOf(change: EtcChange): string | undefined {
  const at = `/etc/${change.path}`
  switch (change.action) {
    case 'copy-beside':
      return `${at} was changed here and is kept; the new one is ${at}.mixnew`
    case 'none': {
      const why =
        change.by === change.path
          ? `${at} is a directory that holds other files, so the file was not put there`
          : `/etc/${change.by} is no directory for files of root's, so ${at} was not made`
      return `${why}; it is in ${inProfile(change.path)}`
    }
    default:
      return undefined
  }
}

interface EtcFile {
  /** On this machine. */
  readonly from: string
  readonly isConfig: boolean
  /** Of its bytes; undefined for a symlink. */
  readonly hash: string | undefined
}

function without(
  packages: readonly InstalledPackage[],
  others: readonly InstalledPackage[],
): InstalledPackage[] {
  const known = new Set(others.map(({ path }) => path))
  return packages.filter(({ path }) => !known.has(path))
}

function etcOf(store: Store, packages: readonly InstalledPackage[]): Map<string, EtcFile> {
  return new Map(packages.flatMap(found => etcOfPackage(store, found)))
}

function etcOfPackage(store: Store, { path, config }: InstalledPackage): [string, EtcFile][] {
  const isConfig = new Set(config)
  const entries = recordOf(store, path).manifest.entries
  return entries
    .filter(entry => entry.path.startsWith('etc/') && entry.type !== 'directory')
    .map(entry => {
      const at = entry.path.slice('etc/'.length)
      const from = join(store.hostPath(path), entry.path)
      const hash = entry.type === 'file' ? entry.hash : undefined
      return [at, { from, isConfig: isConfig.has(at) && hash !== undefined, hash }]
    })
}

interface Versions {
  readonly before: EtcFile | undefined
  readonly after: EtcFile
  /** What goes before anything comes. */
  readonly removed: ReadonlySet<string>
}

function changeFor(machine: Machine, path: string, versions: Versions): EtcChange | undefined {
  if (isSame(versions)) return undefined
  if (versions.after.isConfig) return configChange(machine, path, versions)
  const { before, removed } = versions
  const parent = linkedParent(machine, path)
  if (parent !== undefined) return removed.has(parent) ? { action: 'link', path } : undefined
  const found = foundAt(machine, path, removed)
  // A directory was not put there in the place of anything.
  const isInWay = !before && found?.isDirectory()
  // What the user put in its place stays, and what they deleted stays away.
  const isWanted = found ? before?.isConfig && isUntouched(machine, path, before) : !before
  return isWanted || isInWay ? { action: 'link', path } : undefined
}

/** A link leads to whatever the current profile has. */
function isSame({ before, after }: Versions): boolean {
  return before?.isConfig === after.isConfig && (!after.isConfig || before.hash === after.hash)
}

function configChange(
  machine: Machine,
  path: string,
  { before, after, removed }: Versions,
): EtcChange | undefined {
  const { files } = machine.store.host
  const at = join(machine.root, 'etc', path)
  const copy: EtcChange = { action: 'copy', path, from: after.from }
  if (linkedParent(machine, path) !== undefined) return copy
  const found = foundAt(machine, path, removed)
  if (!found) return before ? undefined : copy
  if (isLinkOfOurs(machine, path) || (before && isOurs(machine, path, before))) return copy
  if (!before && found.isDirectory()) return copy
  const isEqual = found.isFile() && files.read(after.from)?.equals(files.read(at) ?? Buffer.of(0))
  return isEqual ? undefined : { action: 'copy-beside', path, from: after.from }
}

/** What will stand there when all is gone that goes: not a directory that holds nothing else. */
function foundAt(
  machine: Machine,
  path: string,
  removed: ReadonlySet<string>,
): ReturnType<Files['lstat']> {
  const found = machine.store.host.files.lstat(join(machine.root, 'etc', path))
  return found?.isDirectory() && willBeEmpty(machine, path, removed) ? undefined : found
}

/** What is in the way of a change: on the way there, or a directory of other files where the file would be. */
function blockedBy(
  machine: Machine,
  path: string,
  { before, removed }: Versions,
): string | undefined {
  const by = obstacle(machine, path)
  if (by !== undefined) return removed.has(by) ? undefined : by
  return !before && foundAt(machine, path, removed)?.isDirectory() ? path : undefined
}

/** True for a link that leads into the profile, and for a copy whose bytes nobody changed. */
function isOurs(machine: Machine, path: string, file: EtcFile): boolean {
  const { files } = machine.store.host
  if (linkedParent(machine, path) !== undefined || obstacle(machine, path) !== undefined)
    return false
  const at = join(machine.root, 'etc', path)
  const found = files.lstat(at)
  if (found?.isSymbolicLink()) return isLinkOfOurs(machine, path)
  return Boolean(
    found?.isFile() &&
      file.isConfig &&
      files.read(file.from)?.equals(files.read(at) ?? Buffer.of(0)),
  )
}

/** The same where nobody changed who may read or write it either, which would be lost if it went and came back. */
function isUntouched(machine: Machine, path: string, file: EtcFile): boolean {
  if (!isOurs(machine, path, file)) return false
  const { files, processes } = machine.store.host
  const found = files.lstat(join(machine.root, 'etc', path))
  if (!found?.isFile()) return true
  return (found.mode & 0o7777) === MODE && found.uid === processes.uid
}

/** Of a copy, unless the user gives it another one. */
export const MODE = 0o644
