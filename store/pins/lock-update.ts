import { MixosError } from '../../graph/error.ts'
import { formatLock, type Lock, type Pin, parseLock } from '../../graph/lock.ts'
import { didYouMean } from '../../graph/nearest.ts'
import type { Source, Wanted } from '../../graph/wanted.ts'
import { removeTree } from '../disk/remove.ts'
import type { Report } from '../event.ts'
import {
  ARCHIVE_PIN,
  formatStamp,
  type Mirrors,
  parseStamp,
  withArchiveAt,
} from '../fetch/mirrors.ts'
import type { Host } from '../host.ts'
import { type Archive, openArchive } from './debian/archive.ts'
import type { BinaryPackage, PackageIndex } from './debian/packages.ts'
import { resolve } from './debian/resolve.ts'
import type { SourcePackage } from './debian/sources.ts'
import { upstreamOf } from './debian/version.ts'
import { type Changes, changesOf } from './lock-changes.ts'
import { debPin, neededPins, urlsOf } from './lock-wanted.ts'
import { type Content, pinUrls } from './pin.ts'

export interface UpdateOptions {
  readonly host: Host
  /** The lock as it is; undefined where there is none yet. */
  readonly lockText: string | undefined
  readonly wanted: Wanted
  /**
   * Sources, seeds and packages to resolve anew, and with them what shares a seed; everything where it is empty.
   * What is in the lock and not wanted goes in any case, and may be all that is named.
   */
  readonly names: readonly string[]
  readonly mirrors: Mirrors
  /** A directory to make temporary files in. */
  readonly scratch: string
  readonly signal: AbortSignal
  readonly report: Report
}

/** The new lock. Its text may also differ from the old one where nothing changed: by its layout. */
export interface Update extends Changes {
  readonly text: string
}

/**
 * Resolves pins anew. Nothing is written: the result is the text of the new lock and what differs, and the
 * same archive and the same wishes always give the same text. Throws NAME_UNKNOWN for a name that is
 * neither wanted nor pinned, and SIGNATURE_INVALID where all indexes are older than the lock's.
 */
export async function updateLock(options: UpdateOptions): Promise<Update> {
  const { host, wanted, names, lockText } = options
  const before = lockOf(lockText, names)
  const selection = select(before, wanted, names)
  const scratch = `${options.scratch}/lock-${host.randomHex(20)}`
  host.files.makeDirectory(scratch, 0o700)
  try {
    const after = pruned(await resolved({ ...options, scratch }, before, selection), wanted)
    return { text: formatLock(after), ...changesOf(before, after) }
  } finally {
    removeTree(host, scratch)
  }
}

const EMPTY: Lock = { pins: {}, seeds: {} }

function lockOf(text: string | undefined, names: readonly string[]): Lock {
  if (text === undefined) return EMPTY
  try {
    return parseLock(text)
  } catch (error) {
    // A lock that is written anew as a whole need not be readable.
    if (names.length === 0 && error instanceof MixosError) return EMPTY
    throw error
  }
}

interface Selection {
  readonly isAll: boolean
  readonly sources: readonly string[]
  readonly seeds: readonly string[]
  /** Binary packages that are pinned already. */
  readonly packages: readonly string[]
}

function select(lock: Lock, wanted: Wanted, names: readonly string[]): Selection {
  const [sources, seeds] = [Object.keys(wanted.sources), Object.keys(wanted.seeds)]
  if (names.length === 0) return { isAll: true, sources, seeds, packages: [] }
  const needed = neededPins(lock, wanted)
  const packages = [...needed].filter(name => name.startsWith(debPin('')))
  const isPackage = (name: string): boolean => packages.includes(debPin(bare(name)))
  const isThere = (name: string): boolean =>
    Object.hasOwn(lock.pins, name) || Object.hasOwn(lock.seeds, name)
  for (const name of names) {
    if (sources.includes(name) || seeds.includes(name) || isPackage(name) || isThere(name)) continue
    const known = [...new Set([...sources, ...seeds])]
    const meant = didYouMean(name, name.startsWith(debPin('')) ? packages : known)
    throw new MixosError('NAME_UNKNOWN', `nothing to pin is called ${JSON.stringify(name)}`, {
      hint: meant ?? `known: ${known.join(', ')}, and each package of a seed`,
    })
  }
  return {
    isAll: false,
    sources: sources.filter(name => names.includes(name)),
    seeds: seeds.filter(name => names.includes(name)),
    packages: names
      .filter(name => !sources.includes(name) && !seeds.includes(name) && isPackage(name))
      .map(bare),
  }
}

const bare = (name: string): string => name.replace(/^debian\//, '')

async function resolved(options: UpdateOptions, before: Lock, selection: Selection): Promise<Lock> {
  const { wanted } = options
  const pins: Record<string, Pin> = { ...before.pins }
  const seeds: Record<string, readonly string[]> = { ...before.seeds }
  const fromDebian = selection.sources.some(name => 'debian' in (wanted.sources[name] as Source))
  const hasPackages = selection.seeds.length + selection.packages.length > 0
  const archive = fromDebian || hasPackages ? await openedArchive(options, before) : undefined
  if (archive && hasPackages) {
    resolvePackages(await archive.packages(), { pins, seeds }, { wanted, selection })
  }
  const sources = fromDebian ? await archive?.sources(debianNames(wanted)) : undefined
  for (const name of selection.sources) {
    pins[name] = await pinOfSource(options, name, sources)
  }
  if (archive) keepArchivePin(options, { archive, pins, isAll: selection.isAll })
  return { pins, seeds }
}

async function openedArchive(options: UpdateOptions, before: Lock): Promise<Archive> {
  const { host, wanted, mirrors, scratch, signal } = options
  return await openArchive(host, {
    suite: wanted.suite,
    fingerprints: wanted.keyFingerprints,
    mirrors: withArchiveAt(mirrors, host.now()),
    notBefore: parseStamp(before.pins[ARCHIVE_PIN]?.version ?? ''),
    scratch,
    signal,
    warn: warning(options),
  })
}

interface Draft {
  readonly pins: Record<string, Pin>
  readonly seeds: Record<string, readonly string[]>
}

/**
 * Takes packages and seeds from the index, and with them each seed that holds a pin which changed by that: whether
 * what other indexes had fits to it, nobody knows.
 */
function resolvePackages(
  index: PackageIndex,
  { pins, seeds }: Draft,
  { wanted, selection }: { wanted: Wanted; selection: Selection },
): void {
  const before = { ...pins }
  for (const name of selection.packages) {
    const binary = index.byName.get(name)
    if (!binary) throw gone(`package ${name}`, wanted)
    pins[debPin(name)] = pinOfPackage(binary)
  }
  const isOther = (pin: string): boolean =>
    JSON.stringify(pins[pin]) !== JSON.stringify(before[pin])
  const left = new Set(Object.keys(wanted.seeds))
  const next = (): string | undefined =>
    [...left].find(name => selection.seeds.includes(name) || seeds[name]?.some(isOther))
  for (let name = next(); name !== undefined; name = next()) {
    left.delete(name)
    const binaries = resolve(index, wanted.seeds[name] ?? [])
    for (const binary of binaries) pins[debPin(binary.name)] = pinOfPackage(binary)
    seeds[name] = binaries.map(binary => debPin(binary.name))
  }
}

function pinOfPackage({ name, version, path, hash, size }: BinaryPackage): Pin {
  return { name: debPin(name), version, urls: [`mirror://debian/${path}`], hash, size }
}

function debianNames(wanted: Wanted): ReadonlySet<string> {
  const sources = Object.values(wanted.sources)
  return new Set(sources.flatMap(source => ('debian' in source ? [source.debian] : [])))
}

async function pinOfSource(
  options: UpdateOptions,
  name: string,
  sources: ReadonlyMap<string, SourcePackage> | undefined,
): Promise<Pin> {
  const source = options.wanted.sources[name] as Source
  if (!('debian' in source)) {
    const { version, urls } = source
    return { name, version, urls, ...(await contentOf(options, urls)) }
  }
  const found = sources?.get(source.debian)
  const file = found?.files.find(({ path }) => path.endsWith(source.file))
  if (!found || !file) throw gone(`file *${source.file} of source ${source.debian}`, options.wanted)
  // Debian's own files have versions of their own.
  const isUpstream = source.file.startsWith('.orig')
  const version = isUpstream ? upstreamOf(found.version) : found.version.replace(/^\d+:/, '')
  const upstream = urlsOf(source, version)
  const { path, hash, size } = file
  if (upstream.length > 0) await contentOf(options, upstream, { hash, size })
  return { name, version, urls: [...upstream, `mirror://debian/${path}`], hash, size }
}

async function contentOf(
  options: UpdateOptions,
  urls: readonly string[],
  expected?: Content,
): Promise<Content> {
  const { host, mirrors, signal, scratch } = options
  const path = `${scratch}/source`
  const warn = warning(options)
  return await pinUrls(host, urls, { path, mirrors, signal, warn, ...(expected && { expected }) })
}

/** The pin of the index stands for all pins from Debian, so it moves only with all of them. */
function keepArchivePin(
  options: UpdateOptions,
  { archive, pins, isAll }: { archive: Archive; pins: Record<string, Pin>; isAll: boolean },
): void {
  const version = formatStamp(archive.release.date)
  const known = pins[ARCHIVE_PIN]?.version
  if (isAll || known === undefined) {
    const urls = [`mirror://debian/dists/${options.wanted.suite}/InRelease`]
    pins[ARCHIVE_PIN] = { name: ARCHIVE_PIN, version, urls, ...archive.content }
    return
  }
  if (known === version) return
  warning(options)(
    `Debian's index changed since the other pins were made (${known}, now ${version})`,
    'mirrors may lack their files by now: bring all up to date with: mixos lock update',
  )
}

function pruned(lock: Lock, wanted: Wanted): Lock {
  const keep = (name: string): boolean => Object.hasOwn(wanted.seeds, name)
  const seeds = Object.fromEntries(Object.entries(lock.seeds).filter(([name]) => keep(name)))
  const needed = neededPins({ ...lock, seeds }, wanted)
  const pins = Object.fromEntries(Object.entries(lock.pins).filter(([name]) => needed.has(name)))
  return { pins, seeds }
}

function gone(what: string, { suite }: Wanted): MixosError {
  return new MixosError('LOCK_OUTDATED', `the index of ${suite} has no ${what}`, {
    hint: 'correct configs/pins.ts',
  })
}

function warning({ report }: UpdateOptions): (message: string, hint?: string) => void {
  return (message, hint) =>
    report({ type: 'warning', message, ...(hint !== undefined && { hint }) })
}
