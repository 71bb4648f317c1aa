import { MixosError } from '../../graph/error.ts'

/**
 * Where the files of a cache are: a directory, a web server, a bucket, a registry. Nothing that comes from one
 * is believed: what is read is checked by who reads it. Paths are relative, of lower-case letters, digits
 * and `.-_/`, without empty or dotted parts; see README.md for those in use.
 */
export interface CacheStorage {
  /** Its address without credentials, for messages. */
  readonly name: string
  /**
   * Undefined where there is no such file, and only if that is certain; otherwise the caller's own bytes. Throws
   * CACHE_UNAVAILABLE where it cannot be told, CACHE_DENIED for missing or wrong credentials, FileTooLarge for more
   * than `limit` bytes, and CACHE_INVALID for other bytes than the range.
   */
  read(path: string, options: ReadOptions): Promise<Uint8Array | undefined>
  has(path: string, options: { readonly signal: AbortSignal }): Promise<boolean>
  /** Lets connections go. */
  close(): Promise<void>
}

/** There are more bytes than the limit allows. */
export class FileTooLarge extends MixosError {
  constructor(message: string) {
    super('CACHE_INVALID', message)
  }
}

export interface ReadOptions {
  readonly signal: AbortSignal
  /** The most bytes that may come. */
  readonly limit: number
  /** These bytes alone, all of them. */
  readonly range?: { readonly offset: number; readonly length: number }
}

/** A storage that this user may write to. */
export interface WritableStorage extends CacheStorage {
  /**
   * The file appears whole or not at all, replacing one of that name; when it resolves, it stays. Throws
   * CACHE_READ_ONLY, CACHE_DENIED or CACHE_UNAVAILABLE, and CACHE_INCOMPLETE where it looks for what the file refers to
   * and has it not.
   */
  write(path: string, data: Uint8Array, options: { readonly signal: AbortSignal }): Promise<void>
  /** Every file whose path begins with `prefix`, in any order. */
  list(prefix: string, options: { readonly signal: AbortSignal }): AsyncIterable<StoredFile>
  /** No-op where there is nothing. */
  remove(path: string, options: { readonly signal: AbortSignal }): Promise<void>
}

export interface StoredFile {
  readonly path: string
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly modified: number
}
