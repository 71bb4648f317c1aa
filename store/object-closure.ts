import { closureOf } from '../graph/closure.ts'
import { MixosError } from '../graph/error.ts'
import type { StorePath } from '../graph/store-path.ts'
import type { ObjectRecord, RecordHead } from './records.ts'
import type { Store } from './store.ts'

/** The objects and all they refer to. Throws OBJECT_UNKNOWN for one that is not in the store. */
export function objectClosure(store: Store, paths: Iterable<StorePath>): Set<StorePath> {
  return closureOf(paths, path => referencesOf(store, path))
}

/** What an object refers to, itself left out. */
export function referencesOf(store: Store, path: StorePath): readonly StorePath[] {
  return headOf(store, path).references
}

/** The head of an object's record. Throws OBJECT_UNKNOWN where there is none. */
export function headOf(store: Store, path: StorePath): RecordHead {
  return store.head(path) ?? missing(store, path)
}

/** The object's record. Throws OBJECT_UNKNOWN where there is none: it is not an object without files. */
export function recordOf(store: Store, path: StorePath): ObjectRecord {
  return store.record(path) ?? missing(store, path)
}

function missing(store: Store, path: StorePath): never {
  throw new MixosError('OBJECT_UNKNOWN', `${path} is not in the store ${store.directory}`, {
    hint: 'look for damage with the command verify',
  })
}
