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
  readonly lock: string
  object(path: StorePath): string
  record(digest: Digest): string
  trace(hash: DerivationHash | ResolvedHash): string
  log(hash: DerivationHash): string
}

export function layoutOf(directory: string): Layout {
  const at = (...names: string[]): string => join(directory, ...names)
  const objects = at('store')
  const records = at('db', 'objects')
  const traces = at('db', 'traces')
  const logs = at('log')
  return {
    directory,
    version: at('version'),
    objects,
    records,
    traces,
    roots: at('roots'),
    profiles: at('profiles'),
    logs,
    scratch: at('tmp'),
    lock: at('lock'),
    // These are asked for in thousands, and joining with checks would be most of their cost.
    object: path => `${objects}/${path}`,
    record: digest => `${records}/${digest}.json`,
    trace: hash => `${traces}/${hash}`,
    log: hash => `${logs}/${hash}.log`,
  }
}
