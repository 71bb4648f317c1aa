import { MixosError } from '../../graph/error.ts'
import { type PackageIndex, parsePackageIndex } from '../../graph/package-index.ts'
import type { CacheStorage } from '../cache/storage.ts'
import { INDEX, indexPath, LIMITS, metadataPath, ROOT, TIMESTAMP } from './layout.ts'
import { type Json, type Role, type Signed, sha256 } from './tuf.ts'

/** What a repository's own directory holds: the last publication that was finished. */
export interface Published {
  readonly root: { readonly signed: Signed; readonly bytes: Uint8Array } | undefined
  readonly versions: Readonly<Record<'targets' | 'snapshot' | 'timestamp', number>>
  readonly index: PackageIndex
  /** SHA-256 of the file of the index. */
  readonly indexHash: string | undefined
}

type Fields = { readonly [field: string]: Json }

/** Throws REPOSITORY_INVALID, naming the file, for what `publish` would not have written. */
export async function readPublished(
  storage: CacheStorage,
  signal: AbortSignal,
): Promise<Published> {
  const read = async (path: string, role: Role): Promise<Signed | undefined> => {
    const bytes = await storage.read(path, { signal, limit: LIMITS[role] })
    return bytes && signedIn(bytes, role, `${storage.name}/${path}`)
  }
  const root = await newestRoot(storage, signal)
  const timestamp = await read(TIMESTAMP, 'timestamp')
  if (!timestamp) {
    const versions = { targets: 0, snapshot: 0, timestamp: 0 }
    return { root, versions, index: { packages: [] }, indexHash: undefined }
  }
  const snapshotVersion = versionIn(timestamp, 'snapshot.json')
  const snapshot = await read(metadataPath('snapshot', snapshotVersion), 'snapshot')
  const targetsVersion = versionIn(snapshot, 'targets.json')
  const targets = await read(metadataPath('targets', targetsVersion), 'targets')
  const hashes = (targets?.targets as Fields | undefined)?.[INDEX] as Fields | undefined
  const indexHash = String((hashes?.hashes as Fields | undefined)?.sha256)
  const path = indexPath(indexHash)
  const text = await storage.read(path, { signal, limit: LIMITS.index })
  if (!text) throw damaged(`${storage.name}/${path}`, 'is missing')
  const actual = sha256(text)
  if (actual !== indexHash) {
    throw damaged(`${storage.name}/${path}`, `has the SHA-256 ${actual}, not that of its name`)
  }
  const versions = {
    targets: targetsVersion,
    snapshot: snapshotVersion,
    timestamp: timestamp.version,
  }
  const index = parsePackageIndex(Buffer.from(text).toString(), `${storage.name}/${path}`)
  return { root, versions, index, indexHash }
}

/** A publication that was killed may have written one that `root.json` does not show yet. */
async function newestRoot(storage: CacheStorage, signal: AbortSignal): Promise<Published['root']> {
  const read = (path: string) => storage.read(path, { signal, limit: LIMITS.root })
  const copy = await read(ROOT)
  let version = copy ? signedIn(copy, 'root', `${storage.name}/${ROOT}`).version : 0
  let bytes = copy
  for (;;) {
    const next = await read(metadataPath('root', version + 1))
    if (!next) break
    bytes = next
    version++
  }
  const path = metadataPath('root', version)
  return bytes && { bytes, signed: signedIn(bytes, 'root', `${storage.name}/${path}`) }
}

function signedIn(bytes: Uint8Array, role: Role, where: string): Signed {
  try {
    const data = JSON.parse(Buffer.from(bytes).toString()) as { signed?: Signed }
    const { signed } = data
    if (signed?._type === role && Number.isSafeInteger(signed.version)) return signed
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw damaged(where, `is not metadata of the role ${role}`)
}

function versionIn(signed: Signed | undefined, name: string): number {
  const meta = (signed?.meta as Fields | undefined)?.[name] as Fields | undefined
  const version = meta?.version
  if (typeof version === 'number') return version
  throw damaged(`${signed?._type ?? 'metadata'} of the repository`, `does not name ${name}`)
}

function damaged(where: string, what: string): MixosError {
  return new MixosError('REPOSITORY_INVALID', `${where} ${what}`, {
    hint: 'restore the directory, or delete its tuf/ and sign it anew with the same keys',
  })
}
