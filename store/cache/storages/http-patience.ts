/** How long to wait for a sign of the far end, in milliseconds. */
export interface Patience {
  /** For a connection, for an answer, and for its next kilobyte. */
  readonly answer: number
  /** The same where something is changed, which takes the far end's disk. */
  readonly change: number
}

export const PATIENCE: Patience = { answer: 2000, change: 15_000 }
