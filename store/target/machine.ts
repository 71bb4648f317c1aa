import type { Store } from '../store.ts'

/** The machine that packages are installed on. */
export interface Machine {
  readonly store: Store
  /** Its root: `/`, or a directory in tests. */
  readonly root: string
}
