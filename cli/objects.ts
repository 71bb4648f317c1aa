import { basename, dirname } from 'node:path'
import { type Derivation, labelOf } from '../graph/derivation.ts'
import { MixosError } from '../graph/error.ts'
import { hashDerivation } from '../graph/hash.ts'
import type { Outputs } from '../graph/plan.ts'
import { parseStorePath, STORE_DIRECTORY, type StorePath } from '../graph/store-path.ts'
import type { Store } from '../store/store.ts'

/** True for what can only be an object's path, in full or bare, and not the name of a package. */
export function isStorePath(text: string): boolean {
  return text.includes('/') || parseStorePath(text) !== undefined
}

/** An object by its path on this machine, its path in a build, or its bare name. Throws OBJECT_UNKNOWN. */
export function findObject(store: Store, text: string): StorePath {
  const path = parseStorePath(basename(text))
  const isHere = ['.', STORE_DIRECTORY, store.layout.objects].includes(dirname(text))
  if (path && isHere && store.has(path)) return path
  throw new MixosError(
    'OBJECT_UNKNOWN',
    `${text} is not an object of the store ${store.directory}`,
    {
      hint: 'name it as mixos realize prints it',
    },
  )
}

/** What a package produced. Throws OBJECT_UNKNOWN where it was not realized yet, and says that `command` does it. */
export function outputsOf(store: Store, drv: Derivation, command: string): Outputs {
  const trace = store.trace(hashDerivation(drv))
  if (trace) return trace.outputs
  throw new MixosError('OBJECT_UNKNOWN', `${labelOf(drv)} is not in the store`, {
    hint: `make it with: ${command}`,
  })
}
