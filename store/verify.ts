import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { blake3Stream } from '../graph/blake3.ts'
import { MixosError } from '../graph/error.ts'
import { type Entry, SELF_PLACEHOLDER } from '../graph/manifest.ts'
import {
  DIGEST_LENGTH,
  type Digest,
  digestOfPath,
  parseStorePath,
  type StorePath,
} from '../graph/store-path.ts'
import { breaksOf } from './breaks.ts'
import { asFileError, reasonOf } from './disk/system-error.ts'
import { recordOf } from './object-closure.ts'
import { listRoots } from './roots.ts'
import type { Store } from './store.ts'
import { parseTrace } from './traces.ts'

export interface Problem {
  /** Where it is on this machine: an object, a record or a trace. */
  readonly at: string
  /** The object that is damaged, where one is; a trace has none, and neither has the link of a root. */
  readonly path?: StorePath
  readonly message: string
  /** What it refers or leads to and is not here, where that is the problem: the object itself is whole. */
  readonly missing?: StorePath
}

export interface VerifyOptions {
  /** All objects where left out, and then the traces too. */
  readonly paths?: readonly StorePath[]
  readonly signal?: AbortSignal
  /** Called now and then. */
  readonly onProgress?: (progress: Progress) => void
}

/** How far it is: objects begun, of all, and the bytes read. */
export interface Progress {
  readonly objects: number
  readonly total: number
  readonly bytes: number
}

export interface Verified {
  readonly checked: number
  readonly problems: readonly Problem[]
}

/**
 * Reads every byte of every object, or of the given ones, and compares it with the record; without given ones, reads
 * the traces too. Changes nothing. What cannot be read is a problem like any other.
 * A tree without a record is reported where an object or a root needs it; else it is a leftover of a crash.
 * Throws CANCELLED where `signal` aborts, also within a file. See usingStore() for a store that others use.
 */
export async function verify(store: Store, options: VerifyOptions = {}): Promise<Verified> {
  // Before the objects, since those that are added meanwhile have their tree before their record.
  const records = options.paths ? [] : store.host.files.list(store.layout.records)
  const paths = options.paths ?? store.paths()
  const progress = { objects: 0, total: paths.length, bytes: 0 }
  const read = reader(store, options, progress)
  const problems: Problem[] = []
  for (const path of paths) {
    progress.objects++
    await read(0)
    const at = store.hostPath(path)
    for (const problem of await problemsOf(store, path, read))
      problems.push({ at, path, ...problem })
  }
  if (options.paths) return { checked: paths.length, problems }
  const lost = lostObjects(store, records, paths)
  return {
    checked: paths.length + lost.length,
    problems: [...problems, ...lost, ...lostRoots(store), ...damagedTraces(store)],
  }
}

/**
 * To be called after each piece that was read, with its bytes:
 * lets others have their turn, and ends where that is wanted.
 */
type Read = (bytes: number) => Promise<void>

function reader(
  { host }: Store,
  { signal, onProgress }: VerifyOptions,
  progress: { bytes: number } & Progress,
): Read {
  const breaks = breaksOf(host)
  return async bytes => {
    progress.bytes += bytes
    if (!breaks.isDue()) return
    onProgress?.(progress)
    await breaks.take()
    if (signal?.aborted) throw new MixosError('CANCELLED', 'the verification was cancelled')
  }
}

/** Links that are there to keep an object, which is not there. */
function lostRoots(store: Store): Problem[] {
  return listRoots(store)
    .filter(({ path }) => !store.has(path))
    .map(({ link, path }) => ({
      at: link,
      missing: path,
      message: `it leads to ${path}, which is not in the store`,
    }))
}

/** What would stop a realization that comes upon it. */
function damagedTraces({ host, layout }: Store): Problem[] {
  return host.files.list(layout.traces).flatMap(name => {
    const at = join(layout.traces, name)
    const problem = noting(() => {
      parseTrace(host.files.read(at)?.toString() ?? '', name, at)
      return undefined
    })
    return problem ? [{ at, message: problem.replace(`${at}: `, '') }] : []
  })
}

/** What is found wrong, or else why nothing can be found. */
function noting(look: () => string | undefined): string | undefined {
  try {
    return look()
  } catch (error) {
    return told(error)
  }
}

/** Why something cannot be read. Throws what is no reason for that, such as the user's wish to end it. */
function told(error: unknown): string {
  if (error instanceof MixosError && error.code !== 'CANCELLED') return error.message
  // What is about the machine, such as too many open files, says nothing of this one.
  if (asFileError(error)) return reasonOf(error)
  throw error
}

/** Records whose trees are gone. */
function lostObjects(
  { layout }: Store,
  records: readonly string[],
  found: readonly StorePath[],
): Problem[] {
  const digests = new Set(found.map(digestOfPath))
  return records.flatMap(name => {
    const path = parseStorePath(name.replace(/\.json$/, '-unknown'))
    if (!path || digests.has(digestOfPath(path))) return []
    const at = join(layout.records, name)
    return [{ at, path, message: 'it is a record of an object that is gone' }]
  })
}

type OfObject = Omit<Problem, 'at' | 'path'>

async function problemsOf(store: Store, path: StorePath, read: Read): Promise<readonly OfObject[]> {
  const problems: OfObject[] = []
  try {
    const { references, entries } = recordOf(store, path).manifest
    for (const missing of references.filter(reference => !store.has(reference)))
      problems.push({ message: `it refers to ${missing}, which is not in the store`, missing })
    const expected = new Set(entries.map(entry => entry.path))
    for (const entry of entries) {
      const problem = await problemOf(store, { path, entry, read })
      if (problem) problems.push({ message: `${entry.path || '(the object itself)'}: ${problem}` })
      if (entry.type !== 'directory' || problem) continue
      for (const name of store.host.files.list(join(store.hostPath(path), entry.path))) {
        const child = entry.path === '' ? name : `${entry.path}/${name}`
        if (!expected.has(child))
          problems.push({ message: `${child}: is there, but not in the record` })
      }
    }
  } catch (error) {
    problems.push({ message: told(error) })
  }
  return problems
}

interface Place {
  readonly path: StorePath
  readonly entry: Entry
  readonly read: Read
}

async function problemOf(store: Store, place: Place): Promise<string | undefined> {
  const { path, entry } = place
  const at = join(store.hostPath(path), entry.path)
  try {
    const stats = store.host.files.lstat(at)
    if (!stats) return 'is missing'
    const other = otherKind(entry, stats)
    if (other) return other
    const problems = [await problemOfContent(store, at, place), problemOfForm(entry, stats)]
    return problems.filter(problem => problem !== undefined).join('; ') || undefined
  } catch (error) {
    return told(error)
  }
}

/** Where there is no point in comparing any further. */
function otherKind(entry: Entry, stats: Stats): string | undefined {
  const type = stats.isDirectory()
    ? 'directory'
    : stats.isFile()
      ? 'file'
      : stats.isSymbolicLink()
        ? 'symlink'
        : 'special file'
  if (type !== entry.type) return `expected a ${entry.type}, got a ${type}`
  if (entry.type !== 'file' || stats.size === entry.size) return undefined
  return `expected ${entry.size} bytes, got ${stats.size}`
}

async function problemOfContent(
  store: Store,
  at: string,
  { path, entry, read }: Place,
): Promise<string | undefined> {
  if (entry.type === 'directory') return undefined
  const own = { self: entry.self ?? [], digest: digestOfPath(path) }
  if (entry.type === 'symlink') {
    const got = store.host.files.readLink(at)
    const bytes = Buffer.from(got)
    const isOwn = maskSelf(bytes, { ...own, position: 0 })
    if (isOwn && bytes.toString() === entry.target) return undefined
    return `expected a link to ${entry.target.replaceAll(SELF_PLACEHOLDER, own.digest)}, got one to ${got}`
  }
  const hash = await hashFile(store, at, { ...own, read })
  if (hash === undefined) return 'its own digest is not where the record says'
  return hash === entry.hash ? undefined : `expected b3:${entry.hash}, got b3:${hash}`
}

function problemOfForm(entry: Entry, stats: Stats): string | undefined {
  if (stats.mtimeMs !== 1000) return `expected mtime 1, got ${stats.mtimeMs / 1000}`
  if (entry.type === 'symlink') return undefined
  const mode = entry.type === 'directory' || entry.executable ? 0o555 : 0o444
  if ((stats.mode & 0o7777) === mode) return undefined
  return `expected mode ${mode.toString(8)}, got ${(stats.mode & 0o7777).toString(8)}`
}

interface Self {
  /** Where the object's own digest stands, ascending. */
  readonly self: readonly number[]
  readonly digest: Digest
}

const buffer = Buffer.allocUnsafeSlow(1 << 20)

/** The hash of the file with the placeholder in place of the object's own digest; undefined where that is not there. */
async function hashFile(
  { host: { files } }: Store,
  at: string,
  { read, ...own }: Self & Pick<Place, 'read'>,
): Promise<string | undefined> {
  const fd = files.open(at, 'read')
  try {
    const stream = blake3Stream()
    for (let position = 0; ; ) {
      const length = files.readInto(fd, buffer)
      if (length === 0) return stream.hex()
      const chunk = buffer.subarray(0, length)
      if (!maskSelf(chunk, { ...own, position })) return undefined
      stream.update(chunk)
      position += length
      await read(length)
    }
  } finally {
    files.close(fd)
  }
}

/**
 * Puts the placeholder where the object's own digest stands in `chunk`, which begins at `position` of the whole.
 * False where something else stands there. A digest may begin or end outside of the chunk.
 */
function maskSelf(chunk: Buffer, { self, digest, position }: Self & { position: number }): boolean {
  for (const offset of self) {
    const from = Math.max(offset - position, 0)
    const to = Math.min(offset - position + DIGEST_LENGTH, chunk.length)
    if (from >= to) continue
    const skipped = from - (offset - position)
    const expected = digest.slice(skipped, skipped + to - from)
    if (chunk.toString('latin1', from, to) !== expected) return false
    chunk.write(SELF_PLACEHOLDER.slice(0, to - from), from, 'latin1')
  }
  return true
}
