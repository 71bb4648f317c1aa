import { MixosError } from '../../graph/error.ts'
import type { Store } from '../store.ts'
import {
  generationAt,
  generationNumbers,
  type Made,
  originNumbers,
  originOf,
} from './generations.ts'
import { installedIn } from './installed.ts'
import { type PackageChanges, packageChanges } from './package-changes.ts'
import { rollbacks } from './rollbacks.ts'

/** That a generation became current. */
export interface Step {
  readonly generation: number
  /** Which was current before; undefined for what an image came with. */
  readonly from: number | undefined
  readonly made: Made | undefined
  /** Undefined where it cannot be told. */
  readonly changes: PackageChanges | undefined
}

/** Oldest first, also of generations that are forgotten. */
export function history(store: Store): Step[] {
  const numbers = new Set([...generationNumbers(store), ...originNumbers(store)])
  const made = [...numbers].map(number => ({ after: number, step: stepTo(store, number) }))
  const back = rollbacks(store).map(({ newest, from, to, changes, ...made }) => {
    return { after: newest, step: { generation: to, from, made, changes } }
  })
  // A rollback comes after the newest generation that there was.
  return [...made, ...back].sort((a, b) => a.after - b.after).map(({ step }) => step)
}

function stepTo(store: Store, generation: number): Step {
  try {
    const origin = originOf(store, generation)
    if (!origin) return ofImage(store, generation)
    const { from, changes, ...made } = origin
    return { generation, from, changes, made }
  } catch (error) {
    if (!(error instanceof MixosError) || error.code !== 'PACKAGE_INVALID') throw error
    return { generation, from: undefined, changes: undefined, made: undefined }
  }
}

function ofImage(store: Store, generation: number): Step {
  const { path } = generationAt(store, generation)
  const changes = packageChanges([], installedIn(store, path))
  return { generation, from: undefined, changes, made: undefined }
}
