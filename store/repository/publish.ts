import { isDeepStrictEqual } from 'node:util'
import { MixosError } from '../../graph/error.ts'
import {
  byNameAndVersion,
  formatPackageIndex,
  type PackageEntry,
  type PackageIndex,
} from '../../graph/package-index.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { pushObjects } from '../cache/push.ts'
import type { WritableStorage } from '../cache/storage.ts'
import { directoryStorage } from '../cache/storages/directory.ts'
import { pathLock } from '../disk/path-lock.ts'
import type { Report } from '../event.ts'
import type { Store } from '../store.ts'
import { entriesOf, packageInfoOf } from './entries.ts'
import type { RepositoryKeys } from './keys.ts'
import { INDEX, indexPath, metadataPath, ROOT, TIMESTAMP, TUF } from './layout.ts'
import { type Published, type Root, readPublished } from './published.ts'
import {
  fileInfo,
  type Json,
  ROLES,
  type Role,
  type Signed,
  sha256,
  signedOf,
  signMetadata,
  tufKeyId,
  tufKeyOf,
} from './tuf.ts'

export interface PublishOptions {
  readonly directory: string
  /** The packages' objects. */
  readonly packages: readonly StorePath[]
  /** Also offer what the repository offers already, in other versions or under other names. */
  readonly keep?: boolean
  readonly keys: RepositoryKeys
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Days until metadata is refused; the defaults are `LIFETIMES`. */
  readonly lifetimes?: Partial<Readonly<Record<Role, number>>>
  readonly signal: AbortSignal
  readonly report: Report
}

export interface Publication {
  readonly index: PackageIndex
  readonly versions: Readonly<Record<Role, number>>
  /** When clients begin to refuse it, in milliseconds since the epoch. */
  readonly expires: number
  readonly objects: number
  /** Compressed bytes of files that were written. */
  readonly bytes: number
}

const LIFETIMES: Readonly<Record<Role, number>> = {
  root: 365,
  targets: 90,
  snapshot: 90,
  timestamp: 14,
}
const DAY = 24 * 60 * 60 * 1000
/** So long before its end, root metadata is renewed where its key is at hand. */
const RENEWAL = 60 * DAY

/**
 * Makes a directory offer these packages, or these too: it is a cache of their closures with a signed index. Each
 * file is written before what refers to it and `timestamp.json` last, so that at every moment, also after a crash, a
 * client finds the old index whole or the new one. Publishing again goes on. One process at a time for a directory.
 *
 * Throws PACKAGE_INVALID for an object that is no package, PACKAGE_CONFLICT for two of one name and version, and
 * KEY_INVALID where the keys are not those that the repository's clients believe.
 */
export async function publish(store: Store, options: PublishOptions): Promise<Publication> {
  const { host } = store
  const { directory, packages, signal, report } = options
  for (const path of packages) packageInfoOf(store, path)
  host.files.makeDirectory(directory)
  const lock = await pathLock(host, `${directory}/.mixos-repository.lock`, { signal })
  const storage = directoryStorage(host, directory)
  try {
    const before = await readPublished(storage, { rootKeys: options.keys.root, signal })
    if (before.versions.timestamp === 0) await requireNew(storage, signal)
    // Before anything is written, since the keys may be wrong.
    const root = rootAfter(before.root, options)
    const pushed = await pushObjects(store, storage, packages, { signal, report })
    const entries = await entriesOf(store, storage, { packages, signal })
    const index = indexAfter(before.index, entries, options.keep ?? false)
    const files = filesOf(before, { index, root, options })
    for (const { path, data } of files) await storage.write(path, data, { signal })
    // Until then, nothing kept a collection from what was found present.
    const again = await pushObjects(store, storage, packages, { signal, report })
    await prune(storage, before, signal)
    const bytes = pushed.bytes + again.bytes
    return { index, ...summaryOf(root, files), objects: pushed.objects, bytes }
  } finally {
    lock.release()
  }
}

interface File {
  readonly path: string
  readonly data: Uint8Array
  readonly signed?: Signed
}

/** Everything but the objects, in the order in which it is to be written. */
function filesOf(
  { versions, root: rootBefore }: Published,
  { index, root, options }: { index: PackageIndex; root: Root; options: PublishOptions },
): File[] {
  const { keys } = options
  const make = (role: Exclude<Role, 'root'>, rest: Json): { data: Buffer; signed: Signed } => {
    const signed = signedOf(role, versions[role] + 1, endOf(role, options), rest)
    return { signed, data: signMetadata(signed, [keys[role]]) }
  }
  const text = Buffer.from(formatPackageIndex(index))
  const targets = make('targets', { targets: { [INDEX]: fileInfo(text) } })
  const version = (data: Buffer, { version }: Signed): Json => ({ version, ...fileInfo(data) })
  const snapshot = make('snapshot', {
    meta: { 'targets.json': version(targets.data, targets.signed) },
  })
  const timestamp = make('timestamp', {
    meta: { 'snapshot.json': version(snapshot.data, snapshot.signed) },
  })
  const rootFiles =
    root === rootBefore
      ? []
      : [{ path: metadataPath('root', root.signed.version), data: root.bytes }]
  return [
    { path: indexPath(sha256(text)), data: text },
    { path: metadataPath('targets', targets.signed.version), ...targets },
    { path: metadataPath('snapshot', snapshot.signed.version), ...snapshot },
    ...rootFiles,
    { path: ROOT, data: root.bytes },
    { path: TIMESTAMP, ...timestamp },
  ]
}

function summaryOf(root: Root, files: readonly File[]): Pick<Publication, 'versions' | 'expires'> {
  const all = [root.signed, ...files.flatMap(({ signed }) => signed ?? [])]
  const versions = Object.fromEntries(all.map(({ _type, version }) => [_type, version]))
  return {
    versions: versions as Record<Role, number>,
    expires: Math.min(...all.map(({ expires }) => Date.parse(expires))),
  }
}

function endOf(role: Role, { now, lifetimes }: PublishOptions): number {
  return now + (lifetimes?.[role] ?? LIFETIMES[role]) * DAY
}

/** The root metadata as it is, unless keys changed or it ends soon. */
function rootAfter(before: Root | undefined, options: PublishOptions): Root {
  const { keys, now } = options
  const end = endOf('root', options)
  const [rootKey] = keys.root
  if (before) {
    const isSame = ROLES.every(role => {
      const key = role === 'root' ? rootKey : keys[role]
      return !key || isDeepStrictEqual(keyIdsOf(before.signed, role), [tufKeyId(tufKeyOf(key))])
    })
    const left = Date.parse(before.signed.expires) - now
    // An index must not outlive those who vouch for its keys.
    const isLong = left > RENEWAL && now + left >= endOf('timestamp', options)
    if (isSame && (isLong || (!rootKey && left > 0))) return before
  }
  if (!rootKey) {
    const why = before
      ? 'the keys changed, or the root metadata expired'
      : 'there is no root metadata yet'
    throw new MixosError('KEY_INVALID', `the root key is needed: ${why}`, {
      hint: 'put root.secret beside the other keys for this time',
    })
  }
  const byRole = { root: rootKey, ...pick(keys) }
  const known = Object.values(byRole).map(key => [tufKeyId(tufKeyOf(key)), tufKeyOf(key)])
  const roles = ROLES.map(role => [
    role,
    { keyids: [tufKeyId(tufKeyOf(byRole[role]))], threshold: 1 },
  ])
  const rest = {
    consistent_snapshot: true,
    keys: Object.fromEntries(known),
    roles: Object.fromEntries(roles),
  }
  const signed = signedOf('root', (before?.signed.version ?? 0) + 1, end, rest)
  return { signed, bytes: signMetadata(signed, keys.root) }
}

const pick = ({ targets, snapshot, timestamp }: RepositoryKeys) => ({
  targets,
  snapshot,
  timestamp,
})

function keyIdsOf({ roles }: Signed, role: Role): unknown {
  return (roles as Record<string, { keyids?: unknown } | undefined> | undefined)?.[role]?.keyids
}

function indexAfter(
  before: PackageIndex,
  entries: readonly PackageEntry[],
  keep: boolean,
): PackageIndex {
  const byName = new Map<string, PackageEntry>()
  for (const entry of entries) {
    const name = `${entry.name} ${entry.version}`
    const other = byName.get(name)
    if (other && other.path !== entry.path)
      throw new MixosError('PACKAGE_CONFLICT', `${other.path} and ${entry.path} are both ${name}`, {
        hint: 'leave one of them out, or give one another version',
      })
    byName.set(name, entry)
  }
  for (const entry of keep ? before.packages : []) {
    const name = `${entry.name} ${entry.version}`
    if (!byName.has(name)) byName.set(name, entry)
  }
  return { packages: [...byName.values()].sort(byNameAndVersion) }
}

/** Throws REPOSITORY_INVALID where a finished publication has lost its timestamp: versions would begin anew. */
async function requireNew(storage: WritableStorage, signal: AbortSignal): Promise<void> {
  for await (const { path } of storage.list(`${TUF}/`, { signal })) {
    const [, version = 0] = /\/(\d+)\.(?:snapshot|targets)\.json$/.exec(path) ?? []
    if (Number(version) <= 1) continue
    throw new MixosError('REPOSITORY_INVALID', `${storage.name} has ${path}, but no ${TIMESTAMP}`, {
      hint: 'restore that file from a copy: clients refuse an index whose versions begin anew',
    })
  }
}

/** What the last publication needed stays for those who began to read it. */
async function prune(
  storage: WritableStorage,
  { versions, indexHash }: Published,
  signal: AbortSignal,
): Promise<void> {
  const now = await readPublished(storage, { signal })
  const indexes = [indexHash, now.indexHash].flatMap(hash =>
    hash === undefined ? [] : [indexPath(hash)],
  )
  for await (const { path } of storage.list(`${TUF}/`, { signal })) {
    const [, version, role] = /\/(\d+)\.(snapshot|targets)\.json$/.exec(path) ?? []
    const isOld =
      role === undefined
        ? path.startsWith(`${TUF}/targets/`) && !indexes.includes(path)
        : Number(version) < versions[role as 'snapshot' | 'targets']
    if (isOld) await storage.remove(path, { signal })
  }
}
