import { MixosError } from '../../../graph/error.ts'
import { decompress } from '../../archives/decompress.ts'
import { unpackDeb } from '../../archives/unpack-deb.ts'
import { fetchPinned, withoutPassword } from '../../fetch/fetch-pinned.ts'
import { expandUrl, formatStamp, type Mirrors } from '../../fetch/mirrors.ts'
import type { Host } from '../../host.ts'
import { type Content, fetchUnpinned } from '../pin.ts'
import { isPoolPath, type PackageIndex, parsePackages } from './packages.ts'
import { type Release, verifyRelease } from './release.ts'
import { parseSources, type SourcePackage } from './sources.ts'

/** A Debian archive whose index was verified. */
export interface Archive {
  readonly release: Release
  /** Of the signed file itself. */
  readonly content: Content
  packages(): Promise<PackageIndex>
  sources(names: ReadonlySet<string>): Promise<ReadonlyMap<string, SourcePackage>>
}

export interface ArchiveOptions {
  readonly suite: string
  readonly fingerprints: readonly string[]
  readonly mirrors: Mirrors
  /** When the newest index was made that is known, in milliseconds since the epoch: an older one is refused. */
  readonly notBefore?: number | undefined
  /** A directory of this run's own. */
  readonly scratch: string
  readonly signal: AbortSignal
  readonly warn: (message: string, hint?: string) => void
}

const MIB = 2 ** 20
const LIMITS = { release: 4 * MIB, index: 64 * MIB, text: 512 * MIB, keyRing: 4 * MIB }
const PACKAGES = 'main/binary-amd64/Packages.xz'
const SOURCES = 'main/source/Sources.xz'
const KEY_RING = 'debian-archive-keyring'

/**
 * Fetches and verifies the index of a suite, from the first of the mirrors that has a good one. Throws
 * FETCH_FAILED or SIGNATURE_INVALID, the latter when any mirror's index did not verify or was too old.
 */
export async function openArchive(host: Host, options: ArchiveOptions): Promise<Archive> {
  const { mirrors, suite, warn } = options
  const failures: MixosError[] = []
  for (const base of mirrors.debian ?? []) {
    try {
      return await openMirror(host, base, options)
    } catch (error) {
      if (!(error instanceof MixosError) || !CODES.has(error.code)) throw error
      failures.push(error)
      warn(error.message, error.hint)
    }
  }
  throw (
    failures.find(({ code }) => code === 'SIGNATURE_INVALID') ??
    new MixosError('FETCH_FAILED', `no mirror serves the index of ${suite}`, {
      hint: 'check the network, or name a mirror in $XDG_CONFIG_HOME/mixos/mirrors.json',
      cause: new AggregateError(failures),
    })
  )
}

// What another mirror may do better.
const CODES = new Set(['FETCH_FAILED', 'OBJECT_INVALID', 'SIGNATURE_INVALID'])

async function openMirror(host: Host, base: string, options: ArchiveOptions): Promise<Archive> {
  const { suite, scratch, signal, notBefore = 0 } = options
  const at = (path: string): string => expandUrl(`mirror://x/${path}`, { x: [base] })[0] as string
  const path = `${scratch}/InRelease`
  const content = await fetchUnpinned(host, at(`dists/${suite}/InRelease`), {
    path,
    limit: LIMITS.release,
    signal,
  })
  const keyRings = await fetchKeyRings(host, at, options)
  const text = contentOf(host, path).toString('utf8')
  const { fingerprints } = options
  const release = await verifyRelease(text, { fingerprints, keyRings, suite, now: host.now() })
  if (release.date < notBefore) throw stale(at(''), release, { suite, notBefore })
  let packages: Promise<PackageIndex> | undefined
  return {
    release,
    content,
    packages: () => {
      packages ??= fetchIndex(host, PACKAGES, release, options).then(
        parsed(PACKAGES, parsePackages),
      )
      return packages
    },
    sources: names =>
      fetchIndex(host, SOURCES, release, options).then(
        parsed(SOURCES, text => parseSources(text, names)),
      ),
  }
}

function stale(
  mirror: string,
  { date }: Release,
  { suite, notBefore }: { suite: string; notBefore: number },
): MixosError {
  return new MixosError(
    'SIGNATURE_INVALID',
    `the index of ${suite} at ${withoutPassword(mirror)} is from ${formatStamp(date)}, the lock was made from a newer one of ${formatStamp(notBefore)}`,
    { hint: 'the mirror is stale: name another in $XDG_CONFIG_HOME/mixos/mirrors.json' },
  )
}

/** An index file that the verified release vouches for. */
async function fetchIndex(
  host: Host,
  name: string,
  release: Release,
  { suite, scratch, mirrors, signal, warn }: ArchiveOptions,
): Promise<string> {
  const content = release.files.get(name)
  if (!content) throw new MixosError('SIGNATURE_INVALID', `the index of ${suite} has no ${name}`)
  const path = indexPath(scratch, name)
  const urls = [`mirror://debian/dists/${suite}/${name}`]
  const onProgress = (): void => undefined
  await fetchPinned(
    host,
    { urls, ...content },
    { path, label: name, mirrors, signal, onProgress, warn },
  )
  return await textOf(host, path, name)
}

/**
 * The public keys. They come from a package of the archive that they are to vouch for: only their
 * fingerprints decide, so nothing on the way to them needs to be trusted, and of the package index
 * nothing but one path is taken.
 */
async function fetchKeyRings(
  host: Host,
  at: (path: string) => string,
  { suite, scratch, signal }: ArchiveOptions,
): Promise<Buffer[]> {
  const index = indexPath(scratch, PACKAGES)
  const url = at(`dists/${suite}/${PACKAGES}`)
  await fetchUnpinned(host, url, { path: index, limit: LIMITS.index, signal })
  const text = await textOf(host, index, PACKAGES)
  const start = text.indexOf(`\nPackage: ${KEY_RING}\n`)
  const stanza = start < 0 ? '' : text.slice(start + 1, text.indexOf('\n\n', start + 1))
  const path = /^Filename: (\S+)$/m.exec(stanza)?.[1] ?? ''
  if (!isPoolPath(path)) {
    const message = `${withoutPassword(url)} has no package ${KEY_RING}`
    throw new MixosError('SIGNATURE_INVALID', message)
  }
  const deb = `${scratch}/${KEY_RING}.deb`
  await fetchUnpinned(host, at(path), { path: deb, limit: LIMITS.keyRing, signal })
  const tree = `${scratch}/${host.randomHex(20)}`
  host.files.makeDirectory(tree)
  await unpackDeb(host, [deb], tree)
  const directory = `${tree}/usr/share/keyrings`
  const ring = ['pgp', 'gpg'].map(kind => `${directory}/${KEY_RING}.${kind}`)
  return ring.filter(file => host.files.lstat(file)?.isFile()).map(file => contentOf(host, file))
}

async function textOf(host: Host, path: string, label: string): Promise<string> {
  const bytes = contentOf(host, path)
  const text = await decompress(bytes, { compression: 'xz', limit: LIMITS.text, label })
  // All that is read from it is ASCII; other texts pass through unread.
  return text.toString('latin1')
}

function indexPath(scratch: string, name: string): string {
  return `${scratch}/${name.replaceAll('/', '-')}`
}

function contentOf(host: Host, path: string): Buffer {
  const bytes = host.files.read(path)
  if (!bytes) throw new Error(`${path} is gone`)
  return bytes
}

function parsed<T>(name: string, parse: (text: string) => T): (text: string) => T {
  return text => {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof Error)) throw error
      throw new MixosError('OBJECT_INVALID', `${name}: ${error.message}`, { cause: error })
    }
  }
}
