import { join } from 'node:path'
import { labelOfPath, type StorePath } from '../../graph/store-path.ts'
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

/** Objects whose labels differ from this one's in the version alone. */
export type Siblings = (path: StorePath) => readonly StorePath[]

/** Of the objects that are there when it is first asked. */
export function siblingsIn(store: Store): Siblings {
  let byName: Map<string, StorePath[]> | undefined
  return path => {
    byName ??= Map.groupBy(store.paths(), nameOf)
    return (byName.get(nameOf(path)) ?? []).filter(other => other !== path)
  }
}

// A version begins with a digit, as in gcc-14.2.0; the label does not say more precisely where.
const nameOf = (path: StorePath): string => labelOfPath(path).replace(/-\d.*$/, '')
