import { join } from 'node:path'
import { digestOfPath, labelOfPath, type StorePath } from '../../graph/store-path.ts'
import type { Store } from '../store.ts'
import { type BlankFile, blanker } from './blank.ts'
import { type FileEntry, filesOf, type ObjectIndex, type Placed } from './object-index.ts'

// Of more versions than this, the older ones have little that the newer ones lack.
export const VERSIONS = 2

/** Finds the bytes of a wanted file in objects that are here already. */
export type LocalFiles = (entry: FileEntry, placed: Placed) => BlankFile | undefined

/** Looks in other objects of the same name, such as the version before. */
export function localFiles(store: Store, index: ObjectIndex, siblings: Siblings): LocalFiles {
  const found = new Map<string, () => BlankFile>()
  const samePlace = new Map<string, { entry: FileEntry; file: () => BlankFile }[]>()
  for (const path of siblings(index.path).slice(0, VERSIONS)) {
    const record = store.record(path)
    if (!record) continue
    const blank = blanker(store.host, record.manifest.references)
    for (const entry of filesOf(record.manifest)) {
      const file = () => blank(join(store.hostPath(path), entry.path), entry)
      found.set(entry.hash, file)
      samePlace.set(entry.path, [...(samePlace.get(entry.path) ?? []), { entry, file }])
    }
  }
  return (wanted, placed) => {
    // What names no other object is the same in every version that has it.
    if (placed.blank === undefined) return found.get(wanted.hash)?.()
    const candidates = samePlace.get(wanted.path) ?? []
    return candidates
      .filter(({ entry }) => entry.size === wanted.size)
      .map(({ file }) => file())
      .find(file => file.hash === placed.blank)
  }
}

/** Objects whose labels differ from this one's in the version alone, the latest that came here first. */
export type Siblings = (path: StorePath) => readonly StorePath[]

/** Of the objects that are there when it is first asked. */
export function siblingsIn(store: Store): Siblings {
  const cameAt = (path: StorePath): number =>
    store.host.files.lstat(store.layout.record(digestOfPath(path)))?.mtimeMs ?? 0
  const sorted = new Map<string, StorePath[]>()
  let byName: Map<string, StorePath[]> | undefined
  return path => {
    byName ??= Map.groupBy(store.paths(), nameOf)
    const name = nameOf(path)
    const all = sorted.get(name) ?? latestFirst(byName.get(name) ?? [], cameAt)
    sorted.set(name, all)
    return all.filter(other => other !== path)
  }
}

function latestFirst(
  paths: readonly StorePath[],
  cameAt: (path: StorePath) => number,
): StorePath[] {
  const times = new Map(paths.map(path => [path, cameAt(path)]))
  return paths.toSorted((a, b) => (times.get(b) ?? 0) - (times.get(a) ?? 0))
}

/**
 * The label without the version, as far as it tells: the last parts that begin with a digit, from the first
 * with a dot on where there is one. So gcc-14-base-14.2.0-19 is of gcc-14-base. What follows is an output.
 */
function nameOf(path: StorePath): string {
  const parts = labelOfPath(path).split('-')
  const isNumber = (part = ''): boolean => /^\d/.test(part)
  const end = isNumber(parts.at(-1)) ? parts.length : parts.length - 1
  let start = end
  while (start > 1 && isNumber(parts[start - 1])) start--
  const dotted = parts.findIndex((part, at) => at >= start && at < end && part.includes('.'))
  const from = dotted < 0 ? start : dotted
  return parts.toSpliced(from, end - from).join('-')
}
