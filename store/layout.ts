import { join } from 'node:path'
import type { DerivationHash, Digest, ResolvedHash, StorePath } from '../graph/store-path.ts'

/** Every path inside a store; nothing else joins names to the store's directory. */
export interface Layout {
  readonly directory: string
  readonly version: string
  readonly objects: string
  readonly records: string
  readonly traces: string
  readonly roots: string
  readonly profiles: string
  readonly logs: string
  readonly scratch: string
  readonly locks: string
  object(path: StorePath): string
  record(digest: Digest): string
  trace(hash: DerivationHash | ResolvedHash): string
  log(hash: DerivationHash): string
  lock(name: string): string
}

export function layoutOf(directory: string): Layout {
  const at = (...names: string[]): string => join(directory, ...names)
  return {
    directory,
    version: at('version'),
    objects: at('store'),
    records: at('db', 'objects'),
    traces: at('db', 'traces'),
    roots: at('roots'),
    profiles: at('profiles'),
    logs: at('log'),
    scratch: at('tmp'),
    locks: at('locks'),
    object: path => at('store', path),
    record: digest => at('db', 'objects', `${digest}.json`),
    trace: hash => at('db', 'traces', hash),
    log: hash => at('log', `${hash}.log`),
    lock: name => at('locks', `${name}.lock`),
  }
}
