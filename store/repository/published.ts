import { MixosError } from '../../graph/error.ts'
import { type PackageIndex, parsePackageIndex } from '../../graph/package-index.ts'
import type { SecretKey } from '../cache/keys.ts'
import type { CacheStorage } from '../cache/storage.ts'
import { INDEX, indexPath, LIMITS, metadataPath, ROOT, TIMESTAMP } from './layout.ts'
import {
  fieldsOf,
  isSignedByAny,
  isSignedFor,
  type Metadata,
  type Role,
  type Signed,
  sha256,
  tufKeyId,
  tufKeyOf,
} from './tuf.ts'

export interface Root {
  readonly signed: Signed
  /** The whole file. */
  readonly bytes: Uint8Array
}

/** What a repository's own directory holds: the last publication that was finished. */
export interface Published {
  readonly root: Root | undefined
  readonly versions: Readonly<Record<'targets' | 'snapshot' | 'timestamp', number>>
  readonly index: PackageIndex
  /** SHA-256 of the file of the index. */
  readonly indexHash: string | undefined
}

/**
 * Reads what the directory offers, and believes what the keys have signed that its root metadata names. With root
 * keys, one of them must have signed that metadata: then whoever can write to the directory alone cannot have
 * anything signed by the next publication. Times are not looked at, since what has expired is what is signed anew.
 *
 * Throws REPOSITORY_INVALID, naming the file, for what `publish` would not have written,
 * and KEY_INVALID where the keys are not those that clients of the repository believe.
 */
export async function readPublished(
  storage: CacheStorage,
  { rootKeys = [], signal }: { rootKeys?: readonly SecretKey[]; signal: AbortSignal },
): Promise<Published> {
  const read = (path: string, limit: number) => storage.read(path, { signal, limit })
  const chain = await rootChain(storage, signal)
  const root = chain.at(-1)
  if (root && rootKeys.length > 0 && !isSignedByAny(rootKeys, root)) throw notOurs(root, rootKeys)
  // A publication that was killed while it changed keys has left an index that the root metadata before vouches for.
  const vouching = chain.slice(-2).filter(one => one === root || isSignedByAny(rootKeys, one))
  const timestampBytes = await read(TIMESTAMP, LIMITS.timestamp)
  if (!timestampBytes) {
    const versions = { targets: 0, snapshot: 0, timestamp: 0 }
    return { root, versions, index: { packages: [] }, indexHash: undefined }
  }
  if (!root) throw damaged(`${storage.name}/${metadataPath('root', 1)}`, 'is missing')
  const believed = (bytes: Uint8Array, role: Role, path: string): Signed => {
    const where = `${storage.name}/${path}`
    const metadata = metadataIn(bytes, role, where)
    if (vouching.some(one => isSignedFor(role, metadata, one.signed))) return metadata.signed
    const what = `is not signed by the key that root metadata ${root.signed.version} names`
    const isOfBefore = chain.slice(-2).some(one => isSignedFor(role, metadata, one.signed))
    throw damaged(where, what, isOfBefore ? UNFINISHED : RESTORE)
  }
  /** What another file names by its version, its length and its hash. */
  const follow = async (from: Signed, role: 'snapshot' | 'targets'): Promise<Signed> => {
    const named = fieldsOf(fieldsOf(from.meta)[`${role}.json`])
    const { version } = named
    if (typeof version !== 'number')
      throw damaged(`the ${from._type} of ${storage.name}`, `does not name ${role}.json`)
    const path = metadataPath(role, version)
    const bytes = await read(path, LIMITS[role])
    const signed = believed(matching(bytes, named, `${storage.name}/${path}`), role, path)
    if (signed.version === version) return signed
    throw damaged(`${storage.name}/${path}`, `says that it is version ${signed.version}`)
  }
  const timestamp = believed(timestampBytes, 'timestamp', TIMESTAMP)
  const snapshot = await follow(timestamp, 'snapshot')
  const targets = await follow(snapshot, 'targets')
  const target = fieldsOf(fieldsOf(targets.targets)[INDEX])
  const indexHash = String(fieldsOf(target.hashes).sha256)
  const where = `${storage.name}/${indexPath(indexHash)}`
  const text = matching(await read(indexPath(indexHash), LIMITS.index), target, where)
  return {
    root,
    versions: {
      targets: targets.version,
      snapshot: snapshot.version,
      timestamp: timestamp.version,
    },
    index: parsePackageIndex(Buffer.from(text).toString(), where),
    indexHash,
  }
}

/**
 * From the first on, each signed by its own keys and by those of the one before, as clients follow them. A publication
 * that was killed may have written one that `root.json` does not show yet.
 */
async function rootChain(storage: CacheStorage, signal: AbortSignal): Promise<(Root & Metadata)[]> {
  const read = (path: string) => storage.read(path, { signal, limit: LIMITS.root })
  const chain: (Root & Metadata)[] = []
  for (let version = 1; ; version++) {
    const path = metadataPath('root', version)
    const bytes = await read(path)
    if (!bytes) break
    const where = `${storage.name}/${path}`
    const metadata = metadataIn(bytes, 'root', where)
    const { signed } = metadata
    if (signed.version !== version)
      throw damaged(where, `says that it is version ${signed.version}`)
    for (const root of [signed, chain.at(-1)?.signed ?? signed]) {
      if (!isSignedFor('root', metadata, root))
        throw damaged(
          where,
          `is not signed by the root key that root metadata ${root.version} names`,
        )
    }
    chain.push({ ...metadata, bytes })
  }
  const copy = await read(ROOT)
  const shown = copy ? metadataIn(copy, 'root', `${storage.name}/${ROOT}`).signed.version : 0
  const last = chain.length
  if (shown <= last) return chain
  const path = metadataPath('root', last + 1)
  throw damaged(`${storage.name}/${path}`, `is missing, and ${ROOT} is version ${shown}`)
}

/** The bytes, if another file means these. */
function matching(
  bytes: Uint8Array | undefined,
  { length, hashes }: ReturnType<typeof fieldsOf>,
  where: string,
): Uint8Array {
  if (!bytes) throw damaged(where, 'is missing')
  const expected = `${length} bytes with sha256:${fieldsOf(hashes).sha256}`
  const actual = `${bytes.length} bytes with sha256:${sha256(bytes)}`
  if (actual === expected) return bytes
  throw damaged(where, `has ${actual}, expected ${expected}`)
}

function metadataIn(bytes: Uint8Array, role: Role, where: string): Metadata {
  try {
    const data: Partial<Metadata> = JSON.parse(Buffer.from(bytes).toString())
    const { signed, signatures } = data ?? {}
    if (signed?._type === role && Number.isSafeInteger(signed.version) && Array.isArray(signatures))
      return { signed, signatures }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw damaged(where, `is not metadata of the role ${role}`)
}

/** Clients believe new root metadata only with the signature of a key that the old one names. */
function notOurs({ signed }: Root, keys: readonly SecretKey[]): MixosError {
  const believed = fieldsOf(fieldsOf(signed.roles).root).keyids
  const ours = keys.map(key => tufKeyId(tufKeyOf(key))).join(', ')
  return new MixosError(
    'KEY_INVALID',
    `clients of this repository believe the root key ${believed}, this one is ${ours}, which did not sign root metadata ${signed.version}`,
    { hint: 'sign with the old root key too: --old-root-key FILE; or publish to a new directory' },
  )
}

function damaged(where: string, what: string, hint = RESTORE): MixosError {
  return new MixosError('REPOSITORY_INVALID', `${where} ${what}`, { hint })
}

const RESTORE =
  'restore the directory from a copy. Clients refuse an index that begins anew: without a copy, publish to a new directory, whose clients get its root.json'
const UNFINISHED =
  'a change of keys was cut off, or is under way: complete it with the same command as before: mixos repo sign --to DIRECTORY --keys NEW --old-root-key OLD'
