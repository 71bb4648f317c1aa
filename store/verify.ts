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
import { recordOf } from './object-closure.ts'
import type { Store } from './store.ts'
import { asFileError, naming, reasonOf } from './system-error.ts'
import { parseTrace } from './traces.ts'

export interface Problem {
  /** Where it is on this machine: an object, a record or a trace. */
  readonly at: string
  /** The object that is damaged, where one is. */
  readonly path?: StorePath
  readonly message: string
  /** What it refers to and is not here, where that is the problem: the object itself is whole. */
  readonly missing?: StorePath
}

export interface Verified {
  readonly checked: number
  readonly problems: readonly Problem[]
}

/**
 * Reads every byte of every object, or of the given ones, and compares it with the record; without given ones, reads
 * the traces too. Changes nothing. What cannot be read is a problem like any other.
 * A tree without a record is not reported: it is no object, and the next collection deletes it.
 */
export function verify(
  store: Store,
  options: { paths?: readonly StorePath[]; onObject?: (path: StorePath) => void } = {},
): Verified {
  const paths = options.paths ?? store.paths()
  const problems = paths.flatMap(path => {
    options.onObject?.(path)
    return problemsOf(store, path).map(problem => ({ at: store.hostPath(path), path, ...problem }))
  })
  if (options.paths) return { checked: paths.length, problems }
  const lost = lostObjects(store, paths)
  return {
    checked: paths.length + lost.length,
    problems: [...problems, ...lost, ...damagedTraces(store)],
  }
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
    if (error instanceof MixosError) return error.message
    if (asFileError(error)) return reasonOf(error)
    throw error
  }
}

/** Records whose trees are gone. */
function lostObjects(store: Store, found: readonly StorePath[]): Problem[] {
  const { host, layout } = store
  const digests = new Set(found.map(digestOfPath))
  return host.files.list(layout.records).flatMap(name => {
    const path = parseStorePath(name.replace(/\.json$/, '-unknown'))
    if (!path || digests.has(digestOfPath(path))) return []
    const at = join(layout.records, name)
    return [{ at, path, message: 'it is a record of an object that is gone' }]
  })
}

type OfObject = Omit<Problem, 'at' | 'path'>

function problemsOf(store: Store, path: StorePath): OfObject[] {
  const problems: OfObject[] = []
  const unreadable = noting(() => {
    for (const problem of differencesOf(store, path)) problems.push(problem)
    return undefined
  })
  return unreadable === undefined ? problems : [...problems, { message: unreadable }]
}

function* differencesOf(store: Store, path: StorePath): Generator<OfObject> {
  const { references, entries } = recordOf(store, path).manifest
  for (const missing of references.filter(reference => !store.has(reference)))
    yield { message: `it refers to ${missing}, which is not in the store`, missing }
  const expected = new Set(entries.map(entry => entry.path))
  for (const entry of entries) {
    const problem = noting(() => problemOf(store, path, entry))
    if (problem) yield { message: `${entry.path || '(the object itself)'}: ${problem}` }
    if (entry.type !== 'directory' || problem) continue
    for (const name of store.host.files.list(join(store.hostPath(path), entry.path))) {
      const child = entry.path === '' ? name : `${entry.path}/${name}`
      if (!expected.has(child)) yield { message: `${child}: is there, but not in the record` }
    }
  }
}

function problemOf(store: Store, path: StorePath, entry: Entry): string | undefined {
  const { files } = store.host
  const at = join(store.hostPath(path), entry.path)
  const stats = files.lstat(at)
  if (!stats) return 'is missing'
  const type = stats.isDirectory()
    ? 'directory'
    : stats.isFile()
      ? 'file'
      : stats.isSymbolicLink()
        ? 'symlink'
        : 'special file'
  if (type !== entry.type) return `expected a ${entry.type}, got a ${type}`
  if (stats.mtimeMs !== 1000) return `expected mtime 1, got ${stats.mtimeMs / 1000}`
  const { self = [] } = entry.type === 'directory' ? {} : entry
  if (entry.type === 'symlink') {
    const got = files.readLink(at)
    const bytes = Buffer.from(got)
    const isOwn = maskSelf(bytes, { self, digest: digestOfPath(path), position: 0 })
    if (isOwn && bytes.toString() === entry.target) return undefined
    return `expected a link to ${entry.target.replaceAll(SELF_PLACEHOLDER, digestOfPath(path))}, got one to ${got}`
  }
  const mode = entry.type === 'directory' || entry.executable ? 0o555 : 0o444
  if ((stats.mode & 0o7777) !== mode)
    return `expected mode ${mode.toString(8)}, got ${(stats.mode & 0o7777).toString(8)}`
  if (entry.type === 'directory') return undefined
  if (stats.size !== entry.size) return `expected ${entry.size} bytes, got ${stats.size}`
  const hash = hashFile(store, at, { self, digest: digestOfPath(path) })
  if (hash === undefined) return `its own digest is not where the record says`
  return hash === entry.hash ? undefined : `expected b3:${entry.hash}, got b3:${hash}`
}

interface Self {
  /** Where the object's own digest stands, ascending. */
  readonly self: readonly number[]
  readonly digest: Digest
}

const buffer = Buffer.allocUnsafeSlow(1 << 20)

/** The hash of the file with the placeholder in place of the object's own digest; undefined where that is not there. */
function hashFile(store: Store, at: string, own: Self): string | undefined {
  const { files } = store.host
  const fd = files.open(at, 'read')
  try {
    const stream = blake3Stream()
    for (let position = 0; ; ) {
      const read = naming(at, () => files.readInto(fd, buffer))
      if (read === 0) return stream.hex()
      const chunk = buffer.subarray(0, read)
      if (!maskSelf(chunk, { ...own, position })) return undefined
      stream.update(chunk)
      position += read
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
