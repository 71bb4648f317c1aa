import { dirname, join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import type { Entry } from '../../graph/manifest.ts'
import { absolute, digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { removeTree } from '../disk/remove.ts'
import { objectClosure, recordOf } from '../object-closure.ts'
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
  files.makeDirectory(join(target, 'bin'))
  const made = new Set<string>()
  for (const [path, to] of links) {
    const at = join(target, path)
    const parent = dirname(at)
    if (!made.has(parent)) files.makeDirectory(parent)
    made.add(parent)
    files.symlink(to, at)
  }
  files.makeDirectory(join(target, dirname(REQUESTED)))
  const names = [...new Set(spec.requested)].sort()
  files.writeNew(join(target, REQUESTED), names.map(name => `${name}\n`).join(''))
}

/** The same as an object. Adding it again changes nothing. */
export async function addProfile(store: Store, spec: ProfileSpec): Promise<StorePath> {
  const scratch = store.scratch()
  try {
    const source = join(scratch, 'profile')
    writeProfile(store, spec, source)
    const closure = objectClosure(store, spec.packages)
    const candidates = new Map([...closure].map(path => [digestOfPath(path), path]))
    const { label } = spec
    return await store.add({ source, inPlace: true, label, candidates, maker: label })
  } finally {
    removeTree(store.host, scratch)
  }
}

function conflict(at: string, one: StorePath, other: StorePath): MixosError {
  return new MixosError('PACKAGE_CONFLICT', `${one} and ${other} both bring ${at}`, {
    hint: 'only one of them can be installed',
  })
}
