import { join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { type Digest, digestOf } from '../../graph/store-path.ts'
import type { Host } from '../host.ts'
import type { Slots } from '../slots.ts'
import type { Prepared, Store } from '../store.ts'
import { eachOf } from '../write.ts'
import { overlay } from './blank.ts'
import { packPath } from './layout.ts'
import { type LocalFiles, localFiles, type Siblings } from './local-files.ts'
import { FRAME_BYTES, filesOf, type ObjectIndex } from './object-index.ts'
import { CorruptFrame, writeSmall } from './restore-files.ts'
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

// Of one object, as many requests at a time.
const REQUESTS = 16

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
    // Something here that it was to be copied from is damaged, which is for `mixos verify` to find.
    if (!(error instanceof CorruptFrame)) throw error
    return restoreWith(store, storage, { index, options, here: () => undefined })
  }
}

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
  const { store, storage, self, workers, downloads } = work
  const { host } = store
  for (const { target } of plan.large) host.files.close(host.files.open(target, 'create'))
  for (const { file, bytes } of plan.local) copyLocal(host, { file, bytes, self })
  await eachOf(plan.ranges, REQUESTS, range => downloads.run(0, () => fetchRange(work, range)))
  const local = plan.local.map(({ file }) => file).filter(({ size }) => size > FRAME_BYTES)
  for (const file of [...plan.large, ...local]) {
    await workers.run({ type: 'large', file, selfDigest: self }, storage.name)
  }
}

/** A small file is complete then; a large one is to be looked at like one that was fetched. */
function copyLocal(
  host: Host,
  { file, bytes, self }: RestorePlan['local'][number] & { self: Digest },
): void {
  if (file.size <= FRAME_BYTES) {
    writeSmall(host, { file, bytes: Buffer.concat([...bytes.pieces()]), selfDigest: self })
    return
  }
  const fd = host.files.open(file.target, 'create')
  try {
    for (const piece of bytes.pieces()) host.files.writeFrom(fd, piece)
  } finally {
    host.files.close(fd)
  }
}

async function fetchRange(work: Work, range: Range): Promise<void> {
  const { storage, self, workers, signal, onBytes } = work
  const { offset, length } = range
  const path = packPath(range.pack)
  const where = `${storage.name}: ${path}`
  const bytes = await storage.read(path, { signal, limit: length, range: { offset, length } })
  if (!bytes) throw new MixosError('CACHE_INCOMPLETE', `${where} is missing`)
  if (bytes.length !== length) {
    throw new MixosError(
      'CACHE_INVALID',
      `${where}: expected ${length} bytes at ${offset}, got ${bytes.length}`,
    )
  }
  onBytes(length)
  const frames = range.frames.map(({ offset: from, length, size, files, parts }) => {
    const start = from - offset
    return { data: bytes.subarray(start, start + length), size, files, parts }
  })
  await workers.run({ type: 'frames', frames, selfDigest: self }, where)
}
