import { MixosError } from '../../graph/error.ts'

/** Brings the bytes behind one kind of URL. */
export interface Fetcher {
  /**
   * Writes what `target` lacks of the file at `url`. Throws FETCH_FAILED where that is impossible, as a
   * PassingFailure where it may be possible in a while, and HASH_MISMATCH where the file there has another
   * size; the message is the reason and leaves out the URL. What has been written by then may be resumed.
   */
  fetch(url: URL, target: Target, options: FetchOptions): Promise<void>
}

/** Where a fetch writes to. It holds a beginning of the file, possibly an empty one. */
export interface Target {
  /** Of the whole file, in bytes; undefined where it is not known beforehand. */
  readonly size: number | undefined
  /** Bytes held already: the place where the next chunk goes. */
  readonly position: number
  /** Throws HASH_MISMATCH instead of taking more than the whole file. */
  write(chunk: Uint8Array): void
  /** Forgets the bytes held. */
  restart(): void
}

export interface FetchOptions {
  readonly signal: AbortSignal
  /** Bytes held so far. */
  readonly onProgress: (bytes: number) => void
}

/** FETCH_FAILED, of a network or a server that may be well again in a few seconds. */
export class PassingFailure extends MixosError {
  constructor(reason: string, cause?: unknown) {
    super('FETCH_FAILED', reason, { cause })
  }
}
