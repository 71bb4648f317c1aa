import { MixosError } from '../../graph/error.ts'
import { type DerivationHash, digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { objectPath } from './layout.ts'
import { INDEX_LIMIT, type ObjectIndex, parseAnyIndex } from './object-index.ts'
import { SIGNED_TRACE_LIMIT, unverifiedTrace } from './signed-trace.ts'
import { FileTooLarge, type StoredFile, type WritableStorage } from './storage.ts'

/** What an index refers to. */
export type Needs = Pick<ObjectIndex, 'path' | 'packs'> & {
  readonly references: readonly StorePath[]
}

export type Indexes = ReadonlyMap<StorePath, Needs>

/** Reads what is there, and what is there still not again, unless it may have been replaced just now. */
export interface Reader {
  /** What a trace names, whoever signed it: whether to believe it is for readers to decide. */
  outputs(file: StoredFile): Promise<StorePath[]>
  /** Undefined for an index that is gone, since a push that finds a pack gone takes its index back. */
  needs(file: StoredFile): Promise<Needs | 'damaged' | undefined>
  /** Of an index, to be put back; undefined for one that is gone, and for one that nobody can read. */
  bytes(file: StoredFile): Promise<Uint8Array | undefined>
}

export function readerOf(
  storage: WritableStorage,
  { signal, youngerThan }: { readonly signal: AbortSignal; readonly youngerThan: number },
): Reader {
  const outputs = async ({ path }: StoredFile): Promise<StorePath[]> => {
    const bytes = await storage.read(path, { signal, limit: SIGNED_TRACE_LIMIT })
    if (!bytes) return []
    const hash = path.split('/')[1] as DerivationHash
    const trace = unverifiedTrace(bytes, { hash, where: `${storage.name}: ${path}` })
    return Object.values(trace.outputs).map(output => output.path)
  }
  const read = async (path: string): Promise<Uint8Array | 'damaged' | undefined> => {
    try {
      return await storage.read(path, { signal, limit: INDEX_LIMIT })
    } catch (error) {
      if (error instanceof FileTooLarge) return 'damaged'
      throw error
    }
  }
  const needs = async ({ path: at }: StoredFile): Promise<Needs | 'damaged' | undefined> => {
    const bytes = await read(at)
    if (!bytes || bytes === 'damaged') return bytes
    const { path, packs, manifest } = parsed(bytes, `${storage.name}: ${at}`) ?? {}
    if (!path || !packs || !manifest || at !== objectPath(digestOfPath(path))) return 'damaged'
    return { path, packs, references: manifest.references }
  }
  const bytes = async ({ path }: StoredFile): Promise<Uint8Array | undefined> => {
    const found = await read(path)
    return found === 'damaged' ? undefined : found
  }
  return { outputs: once(outputs, youngerThan), needs: once(needs, youngerThan), bytes }
}

function once<T>(
  read: (file: StoredFile) => Promise<T>,
  youngerThan: number,
): (file: StoredFile) => Promise<T> {
  const known = new Map<string, Promise<T>>()
  return file => {
    const { path, size, modified } = file
    if (modified >= youngerThan) return read(file)
    const key = `${path} ${modified} ${size}`
    const found = known.get(key) ?? read(file)
    known.set(key, found)
    return found
  }
}

/** Undefined for a damaged one: nobody can use it. */
function parsed(bytes: Uint8Array, where: string): ObjectIndex | undefined {
  try {
    return parseAnyIndex(bytes, where)
  } catch (error) {
    if (error instanceof MixosError && error.code === 'CACHE_INVALID') return undefined
    throw error
  }
}
