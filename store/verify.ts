import { join } from 'node:path'
import { blake3Stream } from '../graph/blake3.ts'
import { MixosError } from '../graph/error.ts'
import { type Entry, SELF_PLACEHOLDER } from '../graph/manifest.ts'
import { digestOfPath, type StorePath } from '../graph/store-path.ts'
import { withSelf } from './ingest.ts'
import type { Store } from './store.ts'

export interface Problem {
  readonly path: StorePath
  readonly message: string
}

export interface Verified {
  readonly checked: number
  readonly problems: readonly Problem[]
}

/** Reads every byte of every object, or of the given ones, and compares it with the record. Changes nothing. */
export function verify(
  store: Store,
  options: { paths?: readonly StorePath[]; onObject?: (path: StorePath) => void } = {},
): Verified {
  const paths = options.paths ?? store.paths()
  const problems = paths.flatMap(path => {
    options.onObject?.(path)
    return problemsOf(store, path).map(message => ({ path, message }))
  })
  return { checked: paths.length, problems }
}

function problemsOf(store: Store, path: StorePath): string[] {
  try {
    const record = store.record(path)
    if (!record) return ['it has no record']
    const problems = record.manifest.references
      .filter(reference => !store.has(reference))
      .map(reference => `it refers to ${reference}, which is not in the store`)
    const expected = new Set(record.manifest.entries.map(entry => entry.path))
    for (const entry of record.manifest.entries) {
      const problem = problemOf(store, path, entry)
      if (problem) problems.push(`${entry.path || '(the object itself)'}: ${problem}`)
      if (entry.type !== 'directory' || problem) continue
      for (const name of store.host.files.list(join(store.hostPath(path), entry.path))) {
        const child = entry.path === '' ? name : `${entry.path}/${name}`
        if (!expected.has(child)) problems.push(`${child}: is there, but not in the record`)
      }
    }
    return problems
  } catch (error) {
    if (error instanceof MixosError) return [error.message]
    throw error
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
  if (entry.type === 'symlink') {
    const target = withSelf(
      Buffer.from(entry.target),
      entry.self ?? [],
      digestOfPath(path),
    ).toString()
    const got = files.readLink(at)
    return got === target ? undefined : `expected a link to ${target}, got one to ${got}`
  }
  const mode = entry.type === 'directory' || entry.executable ? 0o555 : 0o444
  if ((stats.mode & 0o7777) !== mode)
    return `expected mode ${mode.toString(8)}, got ${(stats.mode & 0o7777).toString(8)}`
  if (entry.type === 'directory') return undefined
  if (stats.size !== entry.size) return `expected ${entry.size} bytes, got ${stats.size}`
  const hash = hashFile(store, at, entry.self ?? [], digestOfPath(path))
  return hash === entry.hash ? undefined : `expected b3:${entry.hash}, got b3:${hash}`
}

/** The hash of the file with zeros where the object's own digest stands; the digest itself must stand there. */
function hashFile(store: Store, at: string, self: readonly number[], digest: string): string {
  const { files } = store.host
  const fd = files.open(at, 'read')
  try {
    const buffer = Buffer.allocUnsafe(self.length > 0 ? files.statOf(fd).size : 1 << 20)
    const stream = blake3Stream()
    for (let read = files.readInto(fd, buffer); read > 0; read = files.readInto(fd, buffer)) {
      for (const offset of self) {
        if (buffer.toString('latin1', offset, offset + digest.length) !== digest)
          return `0, since its own digest is not at ${offset}`
      }
      stream.update(withSelf(buffer.subarray(0, read), self, SELF_PLACEHOLDER))
    }
    return stream.hex()
  } finally {
    files.close(fd)
  }
}
