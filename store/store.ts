import type { StorePath } from '../graph/store-path.ts'
import {
  type DerivationHash,
  type Digest,
  digestOfPath,
  parseStorePath,
  type ResolvedHash,
} from '../graph/store-path.ts'
import { removeTree } from './disk/remove.ts'
import { type FindFileSystemSync, flush, writeDurably } from './disk/write.ts'
import type { Host } from './host.ts'
import { type Ingested, type IngestOptions, ingest } from './ingest.ts'
import { type Layout, layoutOf } from './layout.ts'
import {
  formatRecord,
  newRecord,
  type ObjectRecord,
  parseHead,
  parseRecord,
  type RecordHead,
} from './records.ts'
import { makeLayout } from './store-directory.ts'
import { storeLock } from './store-lock.ts'
import { formatTrace, parseTrace, type Trace } from './traces.ts'

/**
 * A store on disk. Any number of tasks and processes may read and add at once; collecting garbage excludes
 * them all (see collect.ts).
 */
export interface Store {
  readonly directory: string
  readonly layout: Layout
  readonly host: Host
  /** Where the object is on this machine, whether or not it is valid. */
  hostPath(path: StorePath): string
  /** Undefined for what is not an object of this store. Throws RECORD_INVALID where it cannot be told. */
  record(path: StorePath): ObjectRecord | undefined
  /** The same without reading the record: whether there is one. */
  has(path: StorePath): boolean
  /**
   * Whether it is here with all that it refers to. Throws as `record` does. What is whole is added to `whole`, and what
   * is in there counts as such: for who asks of many in one go, while nothing is collected.
   */
  hasWhole(path: StorePath, whole?: Set<StorePath>): boolean
  /** The first line of a record, which is quick to read however large the object. */
  head(path: StorePath): RecordHead | undefined
  /** All objects, sorted by digest. */
  paths(): StorePath[]
  /**
   * The trace, if all objects that it names are here, and what they refer to: a damaged one may have been deleted. For
   * `whole`, see hasWhole.
   */
  trace(hash: DerivationHash | ResolvedHash, whole?: Set<StorePath>): Trace | undefined
  /** Adds a tree that lies outside the store. Durable when it resolves; adding it again changes nothing. */
  add(options: AddOptions): Promise<StorePath>
  /** The first half of adding: a copy that is no object yet, and what it is going to be. */
  prepare(options: AddOptions): Prepared
  /** The same for a canonical copy that someone else makes, or is about to make, at a `scratchPath`. */
  prepared(object: Ingested, target: string): Prepared
  /** Records under both hashes what a derivation produced. Durable when it resolves. */
  remember(trace: Trace): Promise<void>
  /** A fresh private directory on the store's own file system. The caller removes it. */
  scratch(): string
  /** The path of one that does not exist yet. */
  scratchPath(): string
  /** Of the store's own file system. */
  findFileSystemSync: FindFileSystemSync | undefined
}

export interface AddOptions extends Omit<IngestOptions, 'target'> {
  /** The source is in a scratch directory of the store, and becomes the object itself. See IngestOptions. */
  readonly inPlace?: boolean
}

/** A canonical copy of a tree, to be either committed or discarded. */
export interface Prepared {
  readonly path: StorePath
  /** Of the candidates, those that it names. */
  readonly references: readonly StorePath[]
  /**
   * Makes it an object; one that is here stays as it is, unless it is to be replaced: then it
   * is there, with its record, at every moment, whole or as it was. Durable when it resolves.
   */
  commit(options?: { readonly replace: boolean }): Promise<void>
  discard(): void
}

/**
 * Opens the store, and creates it where the directory is missing or empty. Throws STORE_FOREIGN for a
 * directory with anything else in it or of another version, STORE_READ_ONLY where it cannot be written.
 */
export function openStore({ directory, host }: { directory: string; host: Host }): Store {
  const layout = layoutOf(directory)
  makeLayout(host, layout)
  const heads = new Map<StorePath, RecordHead>()

  const store: Store = {
    directory,
    layout,
    host,
    findFileSystemSync: undefined,
    hostPath: path => layout.object(path),
    // The record is named by the digest alone, so the label is the directory's to confirm.
    has: path =>
      host.files.lstat(layout.record(digestOfPath(path))) !== undefined &&
      host.files.lstat(layout.object(path)) !== undefined,
    hasWhole: (path, whole = new Set()) => {
      const closure = new Set([path])
      for (const each of closure) {
        if (whole.has(each)) continue
        if (!store.has(each)) return false
        for (const reference of store.head(each)?.references ?? []) closure.add(reference)
      }
      for (const each of closure) whole.add(each)
      return true
    },
    record: path => {
      const at = layout.record(digestOfPath(path))
      const text = host.files.read(at)
      if (!text) return undefined
      const record = parseRecord(text.toString(), digestOfPath(path), at)
      return record.path === path ? record : undefined
    },
    head: path => {
      const known = heads.get(path)
      if (known) return known
      const at = layout.record(digestOfPath(path))
      const text = host.files.read(at)
      if (!text) return undefined
      const head = parseHead(text, digestOfPath(path), at)
      heads.set(path, head)
      return head
    },
    paths: () => listObjects(host, layout),
    trace: (hash, whole) => {
      const at = layout.trace(hash)
      const text = host.files.read(at)
      if (!text) return undefined
      const trace = parseTrace(text.toString(), hash, at)
      return Object.values(trace.outputs).every(path => store.hasWhole(path, whole))
        ? trace
        : undefined
    },
    add: async options => {
      const prepared = store.prepare(options)
      await prepared.commit()
      return prepared.path
    },
    prepare: ({ inPlace, ...options }) => {
      const target = inPlace ? options.source : store.scratchPath()
      try {
        return store.prepared(ingest(host, { ...options, target }), target)
      } catch (error) {
        removeTree(host, target)
        throw error
      }
    },
    prepared: (object, target) => {
      const discard = (): void => removeTree(host, target)
      const commit: Prepared['commit'] = async ({ replace } = { replace: false }) => {
        try {
          await flush(host, [...object.files, ...object.directories], store.findFileSystemSync)
          await publish(store, object, { from: target, replace })
        } finally {
          discard()
        }
      }
      return { path: object.path, references: object.manifest.references, commit, discard }
    },
    remember: async trace => {
      const { findFileSystemSync } = store
      // Without inputs, the two hashes are one.
      const hashes = [...new Set([trace.derivation, trace.resolved])]
      const [temp = '', ...copies] = hashes.map(store.scratchPath)
      const data = formatTrace(trace)
      host.files.writeNew(temp, data)
      // One file with two names: to make files, and to sync them, is what a step costs most.
      const written = copies.filter(copy => !host.files.link(temp, copy))
      for (const copy of written) host.files.writeNew(copy, data)
      await flush(host, [temp, ...written], findFileSystemSync)
      for (const [at, from] of [temp, ...copies].entries())
        host.files.rename(from, layout.trace(hashes[at] as DerivationHash))
      await flush(host, [layout.traces], findFileSystemSync)
    },
    scratchPath: () => `${layout.scratch}/${host.randomHex(20)}`,
    scratch: () => {
      const path = store.scratchPath()
      host.files.makeDirectory(path, 0o700)
      return path
    },
  }
  return store
}

/**
 * Gives a synced tree its name and then its record. A crash in between leaves a tree without a record,
 * which is no object: the next publisher replaces it.
 */
async function publish(
  store: Store,
  object: Ingested,
  { from, replace }: { from: string; replace: boolean },
): Promise<void> {
  const { host, layout, findFileSystemSync } = store
  const at = layout.object(object.path)
  const record = layout.record(digestOfPath(object.path))
  const lock = await storeLock(store, digestOfPath(object.path))
  try {
    if (!replace && host.files.lstat(record) && host.files.lstat(at)) return
    const isTree = object.manifest.entries[0]?.type === 'directory'
    place(host, from, { at, isTree })
    await flush(host, [layout.objects], findFileSystemSync)
    const data = formatRecord(newRecord(object.manifest, object.hash))
    await writeDurably(host, { path: record, data, scratch: layout.scratch, findFileSystemSync })
  } finally {
    lock.release()
  }
}

/** What stands there already may be in use, so the new one takes its place in one step, where the file system can. */
function place(host: Host, from: string, { at, isTree }: { at: string; isTree: boolean }): void {
  const { files } = host
  const old = files.lstat(at)
  // Moving a directory changes its "..", which needs write permission on it.
  if (isTree) files.changeMode(from, 0o755)
  if (old?.isDirectory()) files.changeMode(at, 0o755)
  if (!old || !files.exchange(from, at)) {
    if (old) removeTree(host, at)
    files.rename(from, at)
  }
  if (isTree) files.sealPath(at, 'directory')
}

function listObjects(host: Host, layout: Layout): StorePath[] {
  const recorded = new Set(
    host.files.list(layout.records).map(name => name.slice(0, -'.json'.length) as Digest),
  )
  return host.files
    .list(layout.objects)
    .map(parseStorePath)
    .filter(path => path !== undefined)
    .filter(path => recorded.has(digestOfPath(path)))
}
