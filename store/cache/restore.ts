import { join } from 'node:path'
import { type Digest, digestOf } from '../../graph/store-path.ts'
import { eachOf } from '../disk/write.ts'
import type { Host } from '../host.ts'
import type { Slots } from '../slots.ts'
import type { Prepared, Store } from '../store.ts'
import { overlay } from './blank.ts'
import { type LocalFiles, localFiles, type Siblings } from './local-files.ts'
import { FRAME_BYTES, filesOf, type ObjectIndex } from './object-index.ts'
import { packReaderWith } from './pack-reader.ts'
import { release } from './release.ts'
import { type LocalFile, type RestoredFile, writeSmall } from './restore-files.ts'
import { planRestore, type Range, type RestorePlan } from './restore-plan.ts'
import type { CacheStorage } from './storage.ts'
import type { Workers } from './workers.ts'

export interface RestoreOptions {
  readonly workers: Workers
  readonly siblings: Siblings
  /** Downloads of all objects together. */
  readonly downloads: Slots
  readonly signal: AbortSignal
  /** Called with the number of bytes that came. */
  readonly onBytes: (count: number) => void
}

// Of one object, as many requests at a time, and as many tasks for other threads.
const REQUESTS = 16
const TASKS = 4
const BATCH_BYTES = 8 << 20
const FILE_COST = 64 << 10

/**
 * Copies an object from a cache, except for what another version of it has here. Throws CACHE_INVALID,
 * CACHE_INCOMPLETE and CACHE_UNAVAILABLE; nothing of it is then left. All bytes have been compared with the manifest.
 */
export async function restore(
  store: Store,
  storage: CacheStorage,
  index: ObjectIndex,
  options: RestoreOptions,
): Promise<Prepared> {
  const here = localFiles(store, index, options.siblings)
  try {
    return await restoreWith(store, storage, { index, options, here })
  } catch (error) {
    // Perhaps what it was to be copied from is damaged, which is for `mixos verify` to find.
    if (!(error instanceof NotCopied)) throw error
    return restoreWith(store, storage, { index, options, here: () => undefined })
  }
}

class NotCopied extends Error {}

async function restoreWith(
  store: Store,
  storage: CacheStorage,
  { index, options, here }: { index: ObjectIndex; options: RestoreOptions; here: LocalFiles },
): Promise<Prepared> {
  const { host } = store
  const { hash, path, manifest } = index
  const target = store.scratchPath()
  const self = digestOf(hash)
  const at = (entry: { path: string }): string => join(target, entry.path)
  const directories = manifest.entries.filter(({ type }) => type === 'directory').map(at)
  const files = filesOf(manifest).map(at)
  const prepared = store.prepared({ hash, path, manifest, files, directories }, target)
  try {
    for (const directory of directories) host.files.makeDirectory(directory)
    makeSymlinks(host, { index, target, self })
    await fill({ store, storage, self, ...options }, planRestore(index, target, here))
    // Children first: a directory's mtime changes with what is put into it.
    for (const directory of directories.toReversed()) host.files.sealPath(directory, 'directory')
    return prepared
  } catch (error) {
    prepared.discard()
    throw error
  }
}

function makeSymlinks(
  { files }: Host,
  { index, target, self }: { index: ObjectIndex; target: string; self: Digest },
): void {
  for (const entry of index.manifest.entries) {
    if (entry.type !== 'symlink') continue
    const text = Buffer.from(entry.target)
    for (const offset of entry.self ?? []) overlay(text, offset, Buffer.from(self))
    const at = join(target, entry.path)
    files.symlink(text.toString(), at)
    files.sealPath(at, 'symlink')
  }
}

interface Work extends RestoreOptions {
  readonly store: Store
  readonly storage: CacheStorage
  /** The object's own digest. */
  readonly self: Digest
}

async function fill(work: Work, plan: RestorePlan): Promise<void> {
  const { store, storage, self, workers } = work
  const { host } = store
  for (const { target } of plan.large) host.files.close(host.files.open(target, 'create'))
  for (const file of plan.empty) {
    writeSmall(host, { file, bytes: Buffer.alloc(0), selfDigest: self })
  }
  try {
    await eachOf(batchesOf(plan.local), TASKS, files =>
      workers.run({ type: 'local', files, selfDigest: self }, 'another version in the store'),
    )
  } catch (cause) {
    throw new NotCopied('cannot copy from another version', { cause })
  }
  const finished = finishedBy(plan)
  await eachOf(plan.ranges, REQUESTS, async range => {
    await fetchRange(work, range)
    for (const file of finished(range))
      await workers.run({ type: 'large', file, selfDigest: self }, storage.name)
  })
}

/** Tells which large files have all their parts when that range has been written too. */
function finishedBy({ large }: RestorePlan): (range: Range) => RestoredFile[] {
  const left = new Map(
    large.map(file => [file.target, { file, parts: Math.ceil(file.size / FRAME_BYTES) }]),
  )
  return range =>
    range.frames
      .flatMap(({ parts }) => parts)
      .flatMap(({ target }) => {
        const own = left.get(target)
        return own && --own.parts === 0 ? [own.file] : []
      })
}

/** Tasks that are worth the way to another thread. */
function batchesOf(files: readonly LocalFile[]): LocalFile[][] {
  const batches: LocalFile[][] = []
  let room = 0
  for (const local of files) {
    if (room <= 0) {
      batches.push([])
      room = BATCH_BYTES
    }
    batches.at(-1)?.push(local)
    // A small file takes its time too.
    room -= local.file.size + FILE_COST
  }
  return batches
}

function fetchRange(work: Work, range: Range): Promise<void> {
  const { storage, self, workers, downloads, signal, onBytes } = work
  const frames = range.frames.map(frame => ({ ...frame, offset: frame.offset - range.offset }))
  const use = async (bytes: Uint8Array, where: string): Promise<void> => {
    onBytes(bytes.length)
    await workers.run({ type: 'frames', bytes, frames, selfDigest: self }, where)
    release(bytes)
  }
  return packReaderWith(downloads).read(storage, range, { signal, use })
}
