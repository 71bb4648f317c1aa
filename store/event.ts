import type { MixosError } from '../graph/error.ts'
import type { Action, Outputs, Plan } from '../graph/plan.ts'
import type { DerivationHash } from '../graph/store-path.ts'

/** How a step came to be done. */
export type Done = 'reused' | 'substituted' | 'fetched' | 'built'

/**
 * What a long operation tells while it runs. Dictionaries of plain data: they print as JSON lines.
 * `label` is `<name>-<version>`; times are milliseconds since the epoch.
 */
export type Event =
  | { readonly type: 'planned'; readonly plan: Plan }
  | {
      readonly type: 'started'
      readonly step: DerivationHash
      readonly label: string
      readonly action: Action
      readonly at: number
    }
  /** Bytes of a fetch so far. */
  | {
      readonly type: 'progress'
      readonly step: DerivationHash
      readonly done: number
      readonly total: number
    }
  /** A line of a build's output, without its newline. */
  | {
      readonly type: 'log'
      readonly step: DerivationHash
      readonly label: string
      readonly line: string
    }
  | {
      readonly type: 'done'
      readonly step: DerivationHash
      readonly label: string
      readonly how: Done
      readonly outputs: Outputs
      readonly at: number
    }
  | {
      readonly type: 'failed'
      readonly step: DerivationHash
      readonly label: string
      readonly error: MixosError
      readonly at: number
    }
  /** Another process builds the same step; this one waits for it. */
  | { readonly type: 'waiting'; readonly step: DerivationHash; readonly label: string }
  /** An object is read to be copied to a cache. */
  | { readonly type: 'pushing'; readonly label: string; readonly size: number }
  /** Bytes of a change of the system so far, of at most so many. */
  | { readonly type: 'fetched'; readonly bytes: number; readonly total: number }
  /** Of all objects of a store, so many have been read, and those bytes. */
  | {
      readonly type: 'verifying'
      readonly objects: number
      readonly total: number
      readonly bytes: number
    }
  /** All of it is here: the next generation is made, and becomes the current one. */
  | { readonly type: 'switching' }
  /** A request to a server of ours; the path as it was sent, but for what no terminal should show. */
  | {
      readonly type: 'answered'
      readonly method: string
      readonly path: string
      readonly status: number
      readonly bytes: number
    }
  | { readonly type: 'warning'; readonly message: string; readonly hint?: string }

export type Report = (event: Event) => void

/** An error that stops nothing. */
export function warningOf({ message, hint }: MixosError): Event {
  return { type: 'warning', message, ...(hint !== undefined && { hint }) }
}
