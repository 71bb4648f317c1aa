import type { Derivation } from '../../graph/derivation.ts'
import type { Outputs } from '../../graph/plan.ts'
import type { Report } from '../event.ts'
import type { Mirrors } from '../fetch/mirrors.ts'
import type { Substituter } from '../substituter.ts'

/** What the sandbox is made of, as derivations that need no sandbox. */
export interface Tools {
  readonly bubblewrap: Derivation
  readonly busybox: Derivation
}

export interface RealizeOptions {
  readonly tools: Tools
  readonly mirrors: Mirrors
  /** Caches to take from what is not here. The caller disposes of it. */
  readonly substituter?: Substituter | undefined
  /** Builds at a time. */
  readonly jobs: number
  /** What a build is told it may use, as BUILD_CORES. */
  readonly cores: number
  /** After a failure, go on with what does not depend on it. */
  readonly keepGoing?: boolean
  readonly keepFailed?: boolean
  /** Fail where what a cache promised does not come, and build nothing in its place. */
  readonly onlySubstitute?: boolean
  /** Build the roots once more, under other paths, and compare. */
  readonly check?: boolean
  /**
   * Links outside the store, by path, to the first output of a root; `-NAME` behind the path links another output. Each
   * becomes a root of the store.
   */
  readonly links?: ReadonlyMap<string, Derivation>
  readonly signal: AbortSignal
  readonly report: Report
}

/** What each root became. */
export type Realized = ReadonlyMap<Derivation, Outputs>
