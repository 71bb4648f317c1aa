import type { Fetcher, TargetFile, Updater } from 'tuf-js'
import { MixosError } from '../../graph/error.ts'
import { type PackageIndex, parsePackageIndex } from '../../graph/package-index.ts'
import type { CacheStorage } from '../cache/storage.ts'
import { directoryStorage } from '../cache/storages/directory.ts'
import { pathLock } from '../disk/path-lock.ts'
import { removeTree } from '../disk/remove.ts'
import { writeDurably } from '../disk/write.ts'
import type { Host } from '../host.ts'
import { INDEX, indexPath, LIMITS, TUF } from '../repository/layout.ts'
import { sha256 } from '../repository/tuf.ts'
import { schemeOf } from '../scheme.ts'
import { explained, type Heard, headOf, hearing, MIRROR, ofRepository } from './update-errors.ts'
import { type Patience, webStorage } from './web-storage.ts'

export interface UpdateOptions {
  readonly repository: CacheStorage
  /** The root metadata that this system was shipped with: whom to believe. */
  readonly rootJson: string
  /** Of this repository alone: what was seen of it, so that nobody can offer less. */
  readonly stateDirectory: string
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly signal: AbortSignal
}

export interface UpdatedIndex {
  readonly index: PackageIndex
  /** False where it was known before. */
  readonly isNew: boolean
  /** Grows with each publication. */
  readonly version: number
}

const METADATA = ['root', 'timestamp', 'snapshot', 'targets'] as const
/** Beside them, the root metadata that this system was shipped with when they were verified. */
const SHIPPED = 'shipped-root.json'

/** A repository at an address: a URL, or the path of a directory, such as of a medium. */
export function openRepository(host: Host, address: string, patience?: Patience): CacheStorage {
  const scheme = schemeOf(address)
  if (scheme === undefined) return directoryStorage(host, address)
  if (['http', 'https'].includes(scheme)) return webStorage(host.network, address, patience)
  throw new MixosError('REPOSITORY_INVALID', `no repository is reached by ${scheme}://`, {
    hint: 'a repository is a path, or begins with http:// or https://',
  })
}

/**
 * Takes the newest index of a repository, as The Update Framework has it: signed by the keys that the root metadata
 * names, not expired, not older than what was seen before, and all of one publication. Throws REPOSITORY_INVALID
 * where it is not, REPOSITORY_UNAVAILABLE where it cannot be told; then the last good index stays.
 *
 * What was verified is kept durably, file by file and each whole, also where the update fails later: a new root
 * takes trust away from old keys, a new timestamp from old indexes. After a crash, updating again goes on.
 */
export async function updateIndex(host: Host, options: UpdateOptions): Promise<UpdatedIndex> {
  const { repository, stateDirectory, signal } = options
  host.files.makeDirectory(stateDirectory)
  const lock = await pathLock(host, `${stateDirectory}/.lock`, { signal })
  const scratch = `${stateDirectory}/.update`
  const heard: Heard = { known: new Map(), offered: new Map(), failure: undefined }
  try {
    // One that was killed left it.
    removeTree(host, scratch)
    host.files.makeDirectory(scratch, 0o700)
    layOut(host, { scratch, heard, options })
    try {
      return await update(host, { scratch, heard, options })
    } finally {
      await keepVerified(host, scratch, options)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw ofRepository(error, repository.name)
  } finally {
    try {
      removeTree(host, scratch)
    } finally {
      lock.release()
    }
  }
}

/** The last good index; undefined where there was none yet. */
export function knownIndex(host: Host, stateDirectory: string): PackageIndex | undefined {
  const path = `${stateDirectory}/${INDEX}`
  const text = host.files.read(path)
  return text && parsePackageIndex(text.toString(), path)
}

interface Update {
  /** Where the updater keeps its files while it runs: it does not write them durably. */
  readonly scratch: string
  readonly heard: Heard
  readonly options: UpdateOptions
}

/** What is known so far. Throws REPOSITORY_INVALID for damage. */
function layOut(host: Host, { scratch, heard, options }: Update): void {
  const { stateDirectory, rootJson } = options
  for (const role of METADATA) {
    const path = `${stateDirectory}/${role}.json`
    const known = host.files.read(path)
    const head = known && headOf(known)
    if (known && !head)
      throw new MixosError('REPOSITORY_INVALID', `${path} is damaged`, {
        hint: `delete it, and update again: rm ${path}`,
      })
    if (head) heard.known.set(role, head)
    if (known) host.files.writeNew(`${scratch}/${role}.json`, known)
  }
  const shipped = headOf(Buffer.from(rootJson))
  if (!shipped)
    throw new MixosError('REPOSITORY_INVALID', 'the root metadata of this system is damaged', {
      hint: 'restore it from the medium that this system was installed from',
    })
  const isSame = host.files.read(`${stateDirectory}/${SHIPPED}`)?.toString() === rootJson
  if (isSame && (heard.known.get('root')?.version ?? 0) >= shipped.version) return
  // Somebody decided anew whom to believe: of the rest, the updater takes what is signed by those.
  host.files.unlink(`${scratch}/root.json`)
  host.files.writeNew(`${scratch}/root.json`, rootJson)
  heard.known.set('root', shipped)
}

/**
 * The updater wrote only what it had verified. Roots come first: who is believed decides on all else. Then what that
 * began with, so that it begins there again where a power cut came before.
 */
async function keepVerified(
  host: Host,
  scratch: string,
  { stateDirectory, rootJson }: UpdateOptions,
): Promise<void> {
  const keep = async (name: string, data: Buffer | undefined): Promise<void> => {
    const path = `${stateDirectory}/${name}`
    if (data && !host.files.read(path)?.equals(data))
      await writeDurably(host, { path, data, scratch })
  }
  const [root, ...rest] = METADATA.map(role => `${role}.json`)
  await keep(root as string, host.files.read(`${scratch}/${root}`))
  await keep(SHIPPED, Buffer.from(rootJson))
  for (const name of rest) await keep(name, host.files.read(`${scratch}/${name}`))
}

/** Only its path is used. */
const BASE = 'https://repository.invalid/'

async function update(host: Host, { scratch, heard, options }: Update): Promise<UpdatedIndex> {
  const { repository, now, signal } = options
  const { Updater } = await import('tuf-js')
  const { DownloadHTTPError } = await import('tuf-js/dist/error.js')
  const fetcher: Fetcher = {
    downloadBytes: async (url, limit) => {
      const path = url.slice(BASE.length)
      const bytes = await repository.read(path, { signal, limit }).catch(error => {
        // On its way up the updater makes a text of it.
        heard.failure = error
        throw error
      })
      hearing(heard, path, bytes)
      // By this it knows the end of the chain of roots.
      if (!bytes) throw new DownloadHTTPError(`${path} is missing`, 404)
      return Buffer.from(bytes)
    },
    downloadFile: () => Promise.reject(new Error('the index is read below')),
  }
  const updater = new Updater({
    metadataDir: scratch,
    metadataBaseUrl: `${BASE}${TUF}`,
    fetcher,
    config: {
      rootMaxLength: LIMITS.root,
      timestampMaxLength: LIMITS.timestamp,
      snapshotMaxLength: LIMITS.snapshot,
      targetsMaxLength: LIMITS.targets,
    },
  })
  setClock(updater, now)
  const target = await updater.getTargetInfo(INDEX).catch(error => {
    throw explained(error, { heard, repository: repository.name, now })
  })
  if (!target) throw new MixosError('REPOSITORY_INVALID', `${repository.name} offers no ${INDEX}`)
  const timestamp = host.files.read(`${scratch}/timestamp.json`)
  const { version } = (timestamp && headOf(timestamp)) || { version: 0 }
  return { ...(await takeIndex(host, { scratch, heard, options }, target)), version }
}

async function takeIndex(
  host: Host,
  { scratch, options }: Update,
  target: TargetFile,
): Promise<Pick<UpdatedIndex, 'index' | 'isNew'>> {
  const { repository, stateDirectory, signal } = options
  const { length, hashes } = target
  const path = `${stateDirectory}/${INDEX}`
  const from = indexPath(String(hashes.sha256))
  const where = `${repository.name}/${from}`
  const known = host.files.read(path)
  if (known && isMeant(known, target))
    return { index: parsePackageIndex(known.toString(), path), isNew: false }
  if (length > LIMITS.index)
    throw new MixosError(
      'REPOSITORY_INVALID',
      `${where} has ${length} bytes, not at most ${LIMITS.index}`,
    )
  const data = await repository.read(from, { signal, limit: length })
  if (!data) throw new MixosError('REPOSITORY_INVALID', `${where} is missing`, { hint: MIRROR })
  if (!isMeant(data, target))
    throw new MixosError(
      'REPOSITORY_INVALID',
      `${where}: expected ${length} bytes with sha256:${hashes.sha256}, got ${data.length} with sha256:${sha256(data)}`,
      { hint: MIRROR },
    )
  const index = parsePackageIndex(Buffer.from(data).toString(), where)
  await writeDurably(host, { path, data, scratch })
  return { index, isNew: true }
}

/** What tuf-js's own check would be, which wants a stream. An index without this hash is not ours. */
function isMeant(data: Uint8Array, { length, hashes }: TargetFile): boolean {
  return data.length === length && sha256(data) === hashes.sha256
}

/** The updater takes the time from the process; here it comes from outside. */
function setClock(updater: Updater, now: number): void {
  const { trustedSet } = updater as unknown as { trustedSet: { referenceTime: Date } }
  if (!(trustedSet.referenceTime instanceof Date))
    throw new Error('tuf-js keeps its time elsewhere')
  trustedSet.referenceTime = new Date(now)
}
