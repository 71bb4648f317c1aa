import { dirname, join } from 'node:path'
import type { StorePath } from '../../graph/store-path.ts'
import { removeTree } from '../disk/remove.ts'
import { flush } from '../disk/write.ts'
import type { Host } from '../host.ts'
import { recordOf } from '../object-closure.ts'
import type { Store } from '../store.ts'
import { inProfile, linkedParent, makeParents, obstacle, scratchOf } from './etc-directories.ts'
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
  /** Nothing, since `by`, on the way there, is no directory to go through. */
  | { readonly action: 'none'; readonly path: string; readonly by: string }

/**
 * What has to change below `/etc`, sorted by path: only what differs between the profiles, so what the user has changed
 * or deleted stays so. A directory that is itself a link into the profile changes with it, so nothing is done there
 * unless it holds a file that is the user's. Where `from` is not known, nothing goes.
 */
export function etcChanges(
  machine: Machine,
  from: StorePath | undefined,
  to: StorePath,
): EtcChange[] {
  const before = from ? etcOf(machine.store, from) : new Map<string, EtcFile>()
  const after = etcOf(machine.store, to)
  const changes: EtcChange[] = []
  for (const [path, file] of after) {
    const change = changeFor(machine, path, { before: before.get(path), after: file })
    const by = change && obstacle(machine, path)
    if (change) changes.push(by === undefined ? change : { action: 'none', path, by })
  }
  for (const [path, file] of before) {
    if (!after.has(path) && isOurs(machine, path, file)) changes.push({ action: 'remove', path })
  }
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** What the user should know of a change, if anything. */
export function noticeOf(change: EtcChange): string | undefined {
  const at = `/etc/${change.path}`
  switch (change.action) {
    case 'copy-beside':
      return `${at} was changed here and is kept; the new one is ${at}.mixnew`
    case 'none':
      return (
        `/etc/${change.by} is no directory for files of root's, so ${at} was not made; ` +
        `it is in ${inProfile(change.path)}`
      )
    default:
      return undefined
  }
}

/** Does them all; doing them again changes nothing. Durable when it resolves. */
export async function applyEtcChanges(
  machine: Machine,
  changes: readonly EtcChange[],
): Promise<void> {
  const touched = new Set<string>()
  for (const change of changes) {
    if (change.action === 'none') continue
    const at = join(machine.root, 'etc', change.path)
    if (change.action !== 'remove') await makeParents(machine, change.path)
    await apply(machine, change, at)
    touched.add(dirname(at))
  }
  const { files } = machine.store.host
  await flush(
    machine.store.host,
    [...touched].flatMap(path => files.realPath(path) ?? []),
  )
}

interface EtcFile {
  /** On this machine. */
  readonly from: string
  readonly isConfig: boolean
  /** Of its bytes; undefined for a symlink. */
  readonly hash: string | undefined
}

function etcOf(store: Store, profile: StorePath): Map<string, EtcFile> {
  return new Map(installedIn(store, profile).flatMap(found => etcOfPackage(store, found)))
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
}

function changeFor(machine: Machine, path: string, versions: Versions): EtcChange | undefined {
  if (isSame(versions)) return undefined
  if (versions.after.isConfig) return configChange(machine, path, versions)
  const { before } = versions
  if (linkedParent(machine, path) !== undefined) return undefined
  const found = machine.store.host.files.lstat(join(machine.root, 'etc', path))
  // What the user put in its place stays, and what they deleted stays away.
  const isWanted = found ? before?.isConfig && isOurs(machine, path, before) : !before
  return isWanted ? { action: 'link', path } : undefined
}

/** A link leads to whatever the current profile has. */
function isSame({ before, after }: Versions): boolean {
  return before?.isConfig === after.isConfig && (!after.isConfig || before.hash === after.hash)
}

function configChange(
  machine: Machine,
  path: string,
  { before, after }: Versions,
): EtcChange | undefined {
  const { files } = machine.store.host
  const at = join(machine.root, 'etc', path)
  const copy: EtcChange = { action: 'copy', path, from: after.from }
  if (linkedParent(machine, path) !== undefined) return copy
  const found = files.lstat(at)
  if (!found) return before ? undefined : copy
  if (before && isOurs(machine, path, before)) return copy
  const mine = found.isFile() && files.read(at)
  if (!mine || files.read(after.from)?.equals(mine)) return undefined
  return { action: 'copy-beside', path, from: after.from }
}

/** True for a link that leads into the profile, and for a copy that nobody changed. */
function isOurs(machine: Machine, path: string, file: EtcFile): boolean {
  const { files } = machine.store.host
  if (linkedParent(machine, path) !== undefined || obstacle(machine, path) !== undefined)
    return false
  const at = join(machine.root, 'etc', path)
  const found = files.lstat(at)
  if (found?.isSymbolicLink()) return files.readLink(at) === inProfile(path)
  return Boolean(
    found?.isFile() &&
      file.isConfig &&
      files.read(file.from)?.equals(files.read(at) ?? Buffer.of(0)),
  )
}

async function apply({ store: { host } }: Machine, change: EtcChange, at: string): Promise<void> {
  switch (change.action) {
    case 'link': {
      await replace(host, at, temp => host.files.symlink(inProfile(change.path), temp))
      return
    }
    case 'copy':
    case 'copy-beside': {
      const data = host.files.read(change.from)
      if (!data) throw new Error(`${change.from} is gone`)
      const mine = host.files.lstat(at)
      await replace(host, change.action === 'copy' ? at : `${at}.mixnew`, async temp => {
        host.files.writeNew(temp, data, 0o644)
        if (mine?.isFile()) {
          host.files.changeOwner(temp, mine.uid, mine.gid)
          host.files.changeMode(temp, mine.mode & 0o7777)
        }
        // Without it, a power cut leaves an empty file, which looks like the user's own.
        await host.files.sync(temp)
      })
      return
    }
    case 'remove':
      host.files.unlink(at)
  }
}

/** Makes something beside `at`, since `/etc` may be on another file system than the store, and gives it that name. */
async function replace(
  host: Host,
  at: string,
  make: (temp: string) => Promise<void> | void,
): Promise<void> {
  const temp = scratchOf(at)
  removeTree(host, temp)
  try {
    await make(temp)
    host.files.rename(temp, at)
  } finally {
    removeTree(host, temp)
  }
}
