import { basename, dirname, join } from 'node:path'
import type { StorePath } from '../../graph/store-path.ts'
import type { Host } from '../host.ts'
import { recordOf } from '../object-closure.ts'
import { removeTree } from '../remove.ts'
import type { Store } from '../store.ts'
import { flush } from '../write.ts'
import { type InstalledPackage, installedIn } from './installed.ts'

/** What is to be done to a file below `/etc` when one profile replaces another. */
export type EtcChange =
  /** A link into the current profile: the file is the package's. */
  | { readonly action: 'link'; readonly path: string }
  /** A copy, which is the user's from then on. */
  | { readonly action: 'copy'; readonly path: string; readonly from: string }
  /** The user has changed it, and the package brings another one than before: that is put beside it, as `.mixnew`. */
  | { readonly action: 'copy-beside'; readonly path: string; readonly from: string }
  | { readonly action: 'remove'; readonly path: string }

/** The machine that packages are installed on. */
export interface Machine {
  readonly store: Store
  /** Its root: `/`, or a directory in tests. */
  readonly root: string
}

const CURRENT = '/mix/profiles/system/current'

/**
 * What has to change below `/etc`, sorted by path. A directory that is itself a link into the profile changes with
 * it, so nothing is done there unless it holds a file that is the user's.
 */
export function etcChanges(machine: Machine, from: StorePath, to: StorePath): EtcChange[] {
  const before = etcOf(machine.store, from)
  const after = etcOf(machine.store, to)
  const changes: EtcChange[] = []
  for (const [path, file] of after) {
    const change = changeFor(machine, path, { before: before.get(path), after: file })
    if (change) changes.push(change)
  }
  for (const [path, file] of before) {
    if (!after.has(path) && isOurs(machine, path, file)) changes.push({ action: 'remove', path })
  }
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Does them all; doing them again changes nothing. Durable when it resolves. */
export async function applyEtcChanges(
  machine: Machine,
  changes: readonly EtcChange[],
): Promise<void> {
  const touched = new Set<string>()
  for (const change of changes) {
    const at = join(machine.root, 'etc', change.path)
    await makeParents(machine, change.path)
    await apply(machine, change, at)
    touched.add(dirname(at))
  }
  const { files } = machine.store.host
  await flush(
    machine.store.host,
    [...touched].filter(path => files.lstat(path)),
  )
}

interface EtcFile {
  /** On this machine. */
  readonly from: string
  readonly isConfig: boolean
}

function etcOf(store: Store, profile: StorePath): Map<string, EtcFile> {
  return new Map(installedIn(store, profile).flatMap(found => etcOfPackage(store, found)))
}

function etcOfPackage(store: Store, { path, config }: InstalledPackage): [string, EtcFile][] {
  const isConfig = new Set(config)
  const entries = recordOf(store, path).manifest.entries
  return entries
    .filter(entry => entry.path.startsWith('etc/') && entry.type !== 'directory')
    .map(entry => [
      entry.path.slice('etc/'.length),
      {
        from: join(store.hostPath(path), entry.path),
        isConfig: isConfig.has(entry.path.slice('etc/'.length)),
      },
    ])
}

function changeFor(
  machine: Machine,
  path: string,
  { before, after }: { before: EtcFile | undefined; after: EtcFile },
): EtcChange | undefined {
  const { files } = machine.store.host
  const at = join(machine.root, 'etc', path)
  const isLinked = linkedParent(machine, path) !== undefined
  if (!after.isConfig) {
    // What the user put in its place stays.
    return isLinked || files.lstat(at) ? undefined : { action: 'link', path }
  }
  const copy: EtcChange = { action: 'copy', path, from: after.from }
  if (isLinked || !files.lstat(at)) return copy
  const mine = files.lstat(at)?.isFile() ? files.read(at) : undefined
  if (!mine) return undefined
  const theirs = files.read(after.from)
  if (theirs?.equals(mine)) return undefined
  const old = before && files.read(before.from)
  if (old?.equals(mine)) return copy
  const isNews = !old || !theirs?.equals(old)
  return isNews ? { action: 'copy-beside', path, from: after.from } : undefined
}

/** True for a link that leads into the profile, and for a copy that nobody changed. */
function isOurs(machine: Machine, path: string, file: EtcFile): boolean {
  const { files } = machine.store.host
  if (linkedParent(machine, path) !== undefined) return false
  const at = join(machine.root, 'etc', path)
  const found = files.lstat(at)
  if (found?.isSymbolicLink()) return files.readLink(at) === `${CURRENT}/etc/${path}`
  return Boolean(
    found?.isFile() &&
      file.isConfig &&
      files.read(file.from)?.equals(files.read(at) ?? Buffer.of(0)),
  )
}

async function apply({ store: { host } }: Machine, change: EtcChange, at: string): Promise<void> {
  switch (change.action) {
    case 'link': {
      const target = `${CURRENT}/etc/${change.path}`
      await replace(host, at, temp => host.files.symlink(target, temp))
      return
    }
    case 'copy':
    case 'copy-beside': {
      const data = host.files.read(change.from)
      if (!data) throw new Error(`${change.from} is gone`)
      await replace(host, change.action === 'copy' ? at : `${at}.mixnew`, async temp => {
        host.files.writeNew(temp, data, 0o644)
        // Without it, a power cut leaves an empty file, which looks like the user's own.
        await host.files.sync(temp)
      })
      return
    }
    case 'remove':
      host.files.unlink(at)
  }
}

/**
 * Makes something beside `at`, since `/etc` may be on another file system than the store, and gives it that name. Where it
 * is made is always the same, so that what a power cut left there goes when the change is done again.
 */
async function replace(
  host: Host,
  at: string,
  make: (temp: string) => Promise<void> | void,
): Promise<void> {
  const temp = join(dirname(at), `.${basename(at)}.mixtemp`)
  removeTree(host, temp)
  try {
    await make(temp)
    host.files.rename(temp, at)
  } finally {
    removeTree(host, temp)
  }
}

/** The first directory on the way that is a link into the profile, relative to `/etc`. */
function linkedParent({ store, root }: Machine, path: string): string | undefined {
  const names = path.split('/').slice(0, -1)
  return names
    .map((_, index) => names.slice(0, index + 1).join('/'))
    .find(parent => store.host.files.lstat(join(root, 'etc', parent))?.isSymbolicLink())
}

/** Real directories all the way: one that is a link into the profile becomes a directory of links to what is in it. */
async function makeParents(machine: Machine, path: string): Promise<void> {
  const { files } = machine.store.host
  for (;;) {
    const linked = linkedParent(machine, path)
    if (linked === undefined) break
    const at = join(machine.root, 'etc', linked)
    const held = join(machine.root, files.readLink(at))
    const names = files.lstat(held) ? files.list(held) : []
    await replace(machine.store.host, at, temp => {
      files.makeDirectory(temp, 0o755)
      for (const name of names) files.symlink(`${CURRENT}/etc/${linked}/${name}`, join(temp, name))
      files.unlink(at)
    })
  }
  files.makeDirectory(dirname(join(machine.root, 'etc', path)), 0o755)
}
