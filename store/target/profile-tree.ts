import { join } from 'node:path'
import { blake3Hex } from '../../graph/blake3.ts'
import { MixosError } from '../../graph/error.ts'
import { comparePaths, type Entry, hashManifest, type Manifest } from '../../graph/manifest.ts'
import { absolute, type StorePath, storePathOf } from '../../graph/store-path.ts'
import type { Files, Host } from '../host.ts'
import { recordOf } from '../object-closure.ts'
import type { Store } from '../store.ts'

/** What a profile is made of. */
export interface ProfileSpec {
  /** `<name>-<version>`. */
  readonly label: string
  readonly packages: readonly StorePath[]
  /** Names that somebody asked for; what is installed beside them is there because they need it. */
  readonly requested: readonly string[]
}

/** Where a profile says what was asked for, a name a line. */
export const REQUESTED = 'share/mix/requested'

const TOPS = new Set(['bin', 'sbin', 'boot', 'etc', 'libexec', 'share'])

/** Makes the error for two packages that bring one file. */
export type RefuseBoth = (at: string, one: StorePath, other: StorePath) => MixosError

/**
 * The links of a profile, by path: programs, from `bin` or `sbin`, are all in `bin`; `boot`, `etc`,
 * `libexec` and `share` keep their shape. A program that is a file comes before one that is only another
 * name of a program, as all of BusyBox's are. Otherwise two packages that bring one file are refused.
 */
export function profileLinks(
  store: Store,
  packages: readonly StorePath[],
  refuse: RefuseBoth,
): Map<string, string> {
  const found = new Map<string, Found>()
  const directories = new Map<string, StorePath>()
  for (const path of packages) {
    for (const entry of recordOf(store, path).manifest.entries) {
      const [top = '', ...rest] = entry.path.split('/')
      if (!TOPS.has(top) || rest.length === 0) continue
      const at = [top === 'sbin' ? 'bin' : top, ...rest].join('/')
      if (entry.type === 'directory') directories.set(at, path)
      else {
        const isName = at.startsWith('bin/') && entry.type === 'symlink'
        const known = found.get(at)
        if (known && known.isName === isName) throw refuse(at, known.path, path)
        if (!known || known.isName) found.set(at, { path, entry, isName })
      }
    }
  }
  for (const [at, owner] of directories) {
    const file = found.get(at)
    if (file) throw refuse(at, file.path, owner)
  }
  return new Map([...found].map(([at, { path, entry }]) => [at, `${absolute(path)}/${entry.path}`]))
}

interface Found {
  readonly path: StorePath
  readonly entry: Entry
  /** It is a symlink: another name of a program. */
  readonly isName: boolean
}

/** Writes the tree of a profile; `target` is made. Throws PACKAGE_CONFLICT for two packages that bring one file. */
export function writeProfile(store: Store, spec: ProfileSpec, target: string): void {
  const { files } = store.host
  const links = profileLinks(store, spec.packages, conflict)
  for (const directory of directoriesOf(links)) files.makeDirectory(join(target, directory))
  for (const [path, to] of links) files.symlink(to, join(target, path))
  files.writeNew(join(target, REQUESTED), requestedText(spec))
}

/** The same as an object. Adding it again changes nothing. */
export async function addProfile(
  store: Store,
  { links: known, before, ...spec }: AddedProfile,
): Promise<StorePath> {
  const { host } = store
  const links = known ?? profileLinks(store, spec.packages, conflict)
  const manifest = manifestOf(links, spec)
  const hash = hashManifest(manifest)
  const path = storePathOf(hash, spec.label)
  if (store.has(path)) return path
  const target = store.scratchPath()
  const at = (name: string): string => join(target, name)
  const directories = directoriesOf(links).map(at)
  const prepared = store.prepared(
    { hash, path, manifest, files: [at(REQUESTED)], directories },
    target,
  )
  try {
    for (const directory of directories) host.files.makeDirectory(directory)
    const like = before && store.hostPath(before)
    for (const [name, to] of links)
      placeSymlink(host, { to, at: at(name), like: like && join(like, name) })
    writeSealed(host, at(REQUESTED), Buffer.from(requestedText(spec)))
    // Children first: a directory's mtime changes with what is put into it.
    for (const directory of directories.toReversed()) host.files.sealPath(directory, 'directory')
  } catch (error) {
    prepared.discard()
    throw error
  }
  await prepared.commit()
  return path
}

export interface AddedProfile extends ProfileSpec {
  /** Those of `packages`, where they are known. */
  readonly links?: ReadonlyMap<string, string>
  /** A profile with which it shares the symlinks that are the same in both. */
  readonly before?: StorePath | undefined
}

/** What the tree is, as reading it would tell. A link leads into a package, and names nothing else. */
function manifestOf(links: ReadonlyMap<string, string>, spec: ProfileSpec): Manifest {
  const text = requestedText(spec)
  const size = Buffer.byteLength(text)
  const entries: Entry[] = [
    ...directoriesOf(links).map(path => ({ path, type: 'directory' }) as const),
    ...[...links].map(([path, target]) => ({ path, type: 'symlink', target }) as const),
    { path: REQUESTED, type: 'file', executable: false, size, hash: blake3Hex(text) },
  ]
  const objects = new Set([...links.values()].map(to => to.split('/')[3]))
  return {
    label: spec.label,
    references: spec.packages.filter(path => objects.has(path)).sort(),
    entries: entries.sort((a, b) => comparePaths(a.path, b.path)),
  }
}

/** Parents come before what is in them, and first of all the profile itself. */
function directoriesOf(links: ReadonlyMap<string, string>): string[] {
  const found = new Set(['', 'bin'])
  for (const path of [...links.keys(), REQUESTED]) {
    const names = path.split('/')
    for (let count = 1; count < names.length; count++) found.add(names.slice(0, count).join('/'))
  }
  return [...found].sort(comparePaths)
}

function requestedText({ requested }: ProfileSpec): string {
  return [...new Set(requested)]
    .sort()
    .map(name => `${name}\n`)
    .join('')
}

/**
 * A long symlink has an inode and a block of its own, and making hundreds is what a change takes longest for. Nobody can
 * write to one, so two profiles may have it together.
 */
function placeSymlink(
  { files }: Host,
  { to, at, like }: { to: string; at: string; like: string | undefined },
): void {
  if (like !== undefined && isSealedSymlink(files, like, to) && files.link(like, at)) return
  files.symlink(to, at)
  files.sealPath(at, 'symlink')
}

/** False also where it is damaged, which must not spread. */
function isSealedSymlink(files: Files, path: string, to: string): boolean {
  const stats = files.lstat(path)
  return Boolean(stats?.isSymbolicLink()) && stats?.mtimeMs === 1000 && files.readLink(path) === to
}

function writeSealed({ files }: Host, path: string, data: Uint8Array): void {
  const fd = files.open(path, 'create')
  try {
    files.writeFrom(fd, data)
    files.seal(fd, false)
  } finally {
    files.close(fd)
  }
}

function conflict(at: string, one: StorePath, other: StorePath): MixosError {
  return new MixosError('PACKAGE_CONFLICT', `${one} and ${other} both bring ${at}`, {
    hint: 'only one of them can be installed',
  })
}
