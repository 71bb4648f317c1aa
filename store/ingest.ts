import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { blake3Hex, blake3Stream } from '../graph/blake3.ts'
import { MixosError } from '../graph/error.ts'
import {
  comparePaths,
  type Entry,
  hashManifest,
  isEntryName,
  type Manifest,
  SELF_PLACEHOLDER,
} from '../graph/manifest.ts'
import {
  DIGEST_LENGTH,
  type Digest,
  digestOf,
  type ObjectHash,
  type StorePath,
  storePathOf,
} from '../graph/store-path.ts'
import type { Host } from './host.ts'
import { OVERLAP, referenceScanner } from './references.ts'

export interface IngestOptions {
  /** What a builder left; it is read once and stays as it is. */
  readonly source: string
  /**
   * Where the canonical copy goes; nothing exists there yet. Where it is the source, that becomes canonical itself: for
   * what only this process has written, with its references as they are to be.
   */
  readonly target: string
  readonly label: string
  /** The digest under which the object was built, if it may name itself. */
  readonly self?: Digest | undefined
  /** Objects that it may refer to, by the digest that stands for each while building. */
  readonly candidates: ReadonlyMap<Digest, StorePath>
  /** For messages: what made this. */
  readonly maker: string
}

export interface Ingested {
  readonly manifest: Manifest
  readonly hash: ObjectHash
  readonly path: StorePath
  /** The regular files of the copy, for syncing. */
  readonly files: readonly string[]
  readonly directories: readonly string[]
}

const CHUNK = 4 << 20
const ZEROS = Buffer.alloc(4096)
// What stands in a name for bytes that are not UTF-8: two such names would look alike.
const UNDECODABLE = '\ufffd'

/**
 * Copies a tree to fresh inodes in canonical form (modes 0444 and 0555, mtime 1, nothing else kept), and
 * computes its manifest on the way: every byte is read once and written once. Digests of `candidates`
 * that stand for another path are rewritten to it; the object's own digest counts as SELF_PLACEHOLDER in hashes and is
 * written in when the hash is known.
 *
 * Throws BUILD_OUTPUT_INVALID for what no object may hold: setuid bits, devices, fifos, sockets, names
 * that are not plain text. Nothing is durable yet: the caller syncs.
 */
export function ingest(host: Host, options: IngestOptions): Ingested {
  const copier = new Copier(host, options)
  try {
    copier.copy('')
    return copier.finish()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENAMETOOLONG') throw error
    throw new MixosError('BUILD_OUTPUT_INVALID', `${options.maker}: a path in it is too long`, {
      hint: 'change the builder to nest its directories less deeply',
      cause: error,
    })
  }
}

/** Compared with itself, shifted by a block whose bytes are known. */
const isZero = (bytes: Buffer): boolean =>
  bytes.length > ZEROS.length &&
  bytes.subarray(0, ZEROS.length).equals(ZEROS) &&
  bytes.subarray(ZEROS.length).equals(bytes.subarray(0, -ZEROS.length))

class Copier {
  readonly #host: Host
  readonly #options: IngestOptions
  readonly #scanner
  readonly #entries: Entry[] = []
  readonly #references = new Set<StorePath>()
  readonly #files: string[] = []
  readonly #directories: string[] = []
  readonly #buffer = sharedBuffer()
  readonly #isInPlace: boolean

  constructor(host: Host, options: IngestOptions) {
    this.#host = host
    this.#options = options
    this.#isInPlace = options.source === options.target
    const digests = [...options.candidates.keys()]
    this.#scanner = referenceScanner(options.self ? [...digests, options.self] : digests)
  }

  copy(path: string): void {
    const { files } = this.#host
    const source = join(this.#options.source, path)
    const target = join(this.#options.target, path)
    const stats = files.lstat(source)
    if (!stats) throw this.#invalid(path, 'vanished while it was copied')
    if (stats.isSymbolicLink()) {
      this.#copySymlink(path, files.readLink(source), target)
      return
    }
    const flaw = flawOf(stats)
    if (flaw)
      throw this.#invalid(
        path,
        `has mode ${(stats.mode & 0o7777).toString(8)}: ${flaw}`,
        'change the builder to give it another mode, such as by: chmod u=rwX,a-s',
      )
    if (stats.isFile()) {
      this.#copyFile(path, source, target)
      return
    }
    if (!stats.isDirectory())
      throw this.#invalid(
        path,
        `is a ${kindOf(stats)}: only files, directories and symlinks are allowed`,
      )
    if (!this.#isInPlace) files.makeDirectory(target)
    this.#directories.push(target)
    this.#entries.push({ path, type: 'directory' })
    for (const name of files.list(source)) {
      if (!isEntryName(name) || name.includes(UNDECODABLE))
        throw this.#invalid(
          path,
          `holds the name ${JSON.stringify(name)}, which is not plain text`,
          'change the builder to give it another name: UTF-8, without / and control characters',
        )
      this.copy(path === '' ? name : `${path}/${name}`)
    }
  }

  finish(): Ingested {
    const { label, self } = this.#options
    this.#entries.sort((a, b) => comparePaths(a.path, b.path))
    const manifest: Manifest = {
      label,
      references: [...this.#references].sort(),
      entries: this.#entries,
    }
    const hash = hashManifest(manifest)
    if (self) this.#writeSelf(digestOf(hash))
    // Children first: a directory's mtime changes with what is put into it.
    for (const directory of this.#directories.reverse())
      this.#host.files.sealPath(directory, 'directory')
    return {
      manifest,
      hash,
      path: storePathOf(hash, label),
      files: this.#files,
      directories: this.#directories,
    }
  }

  #copySymlink(path: string, target: string, at: string): void {
    if (target.includes(UNDECODABLE))
      throw this.#invalid(path, `links to ${JSON.stringify(target)}, which is not plain text`)
    const bytes = Buffer.from(target)
    const self = this.#rewrite(bytes, 0)
    const rewritten = bytes.toString()
    if (!this.#isInPlace) this.#host.files.symlink(rewritten, at)
    this.#host.files.sealPath(at, 'symlink')
    this.#entries.push({
      path,
      type: 'symlink',
      target: rewritten,
      ...(self.length > 0 && { self }),
    })
  }

  #copyFile(path: string, source: string, target: string): void {
    const { files } = this.#host
    const from = files.open(source, 'read')
    try {
      const stats = files.statOf(from)
      if (!stats.isFile()) throw this.#invalid(path, 'changed its type while it was copied')
      const to = this.#isInPlace ? from : files.open(target, 'create')
      try {
        const executable = (stats.mode & 0o111) !== 0
        const { size, hash, self } = this.#pump(from, to)
        files.seal(to, executable)
        this.#files.push(target)
        this.#entries.push({
          path,
          type: 'file',
          executable,
          size,
          hash,
          ...(self.length > 0 && { self }),
        })
      } finally {
        if (to !== from) files.close(to)
      }
    } finally {
      files.close(from)
    }
  }

  #pump(from: number, to: number): { size: number; hash: string; self: number[] } {
    const { files } = this.#host
    const buffer = this.#buffer
    const self: number[] = []
    let stream: ReturnType<typeof blake3Stream> | undefined
    let kept = 0
    let offset = 0
    for (;;) {
      const read = files.readInto(from, buffer.subarray(kept))
      const isLast = read === 0
      kept += read
      // A short read need not be the end; only 0 is.
      if (!isLast && kept < buffer.length) continue
      const filled = buffer.subarray(0, kept)
      for (const at of this.#rewrite(filled, offset)) self.push(at)
      const settled = isLast ? filled : filled.subarray(0, filled.length - OVERLAP)
      // The image of a disk is mostly zeros: a chunk of nothing else takes no space.
      if (to !== from && (isLast || !isZero(settled))) files.writeAt(to, settled, offset)
      if (isLast && !stream) return { size: filled.length, hash: blake3Hex(settled), self }
      stream ??= blake3Stream()
      stream.update(settled)
      if (isLast) return { size: offset + filled.length, hash: stream.hex(), self }
      offset += settled.length
      buffer.copyWithin(0, settled.length, filled.length)
      kept = OVERLAP
    }
  }

  /** Rewrites the digests in place, notes what they refer to, and returns where the object's own stands. */
  #rewrite(bytes: Buffer, offset: number): number[] {
    const { self, candidates } = this.#options
    const own: number[] = []
    this.#scanner.scan(bytes, (digest, at) => {
      const isFinal = candidates.get(digest)?.startsWith(digest)
      if (this.#isInPlace && !isFinal) throw new Error(`${digest} cannot be rewritten in place`)
      if (digest === self) {
        own.push(offset + at)
        bytes.write(SELF_PLACEHOLDER, at, 'latin1')
        return
      }
      const path = candidates.get(digest) as StorePath
      this.#references.add(path)
      if (!path.startsWith(digest)) bytes.write(path.slice(0, DIGEST_LENGTH), at, 'latin1')
    })
    return own
  }

  #writeSelf(digest: Digest): void {
    const { files } = this.#host
    for (const entry of this.#entries) {
      if (entry.type === 'directory' || !entry.self) continue
      const at = join(this.#options.target, entry.path)
      if (entry.type === 'symlink') {
        files.unlink(at)
        files.symlink(withSelf(Buffer.from(entry.target), entry.self, digest).toString(), at)
        files.sealPath(at, 'symlink')
        continue
      }
      files.changeMode(at, 0o644)
      const fd = files.open(at, 'write')
      try {
        for (const position of entry.self) files.writeAt(fd, Buffer.from(digest), position)
        files.seal(fd, entry.executable)
      } finally {
        files.close(fd)
      }
    }
  }

  #invalid(
    path: string,
    what: string,
    hint = 'change the builder to leave it out, or to make a plain file of it',
  ): MixosError {
    const { maker, label } = this.#options
    return new MixosError(
      'BUILD_OUTPUT_INVALID',
      `${maker}: ${path === '' ? label : path} ${what}`,
      { hint },
    )
  }
}

/** The bytes with the object's own digest written at the offsets. */
function withSelf(bytes: Buffer, offsets: readonly number[], digest: string): Buffer {
  for (const offset of offsets) bytes.write(digest, offset, 'latin1')
  return bytes
}

let buffer: Buffer | undefined
/** Ingesting is synchronous, so one buffer serves all of it. */
function sharedBuffer(): Buffer {
  buffer ??= Buffer.allocUnsafeSlow(CHUNK)
  return buffer
}

/** What no object may have, and what its copy would fail on for everyone but root. */
function flawOf(stats: Stats): string | undefined {
  if ((stats.mode & 0o6000) !== 0) return 'setuid and setgid files are not allowed'
  if ((stats.mode & 0o400) === 0) return 'its owner must be able to read it'
  if (stats.isDirectory() && (stats.mode & 0o100) === 0) return 'its owner must be able to enter it'
  return undefined
}

function kindOf(stats: {
  isFIFO(): boolean
  isSocket(): boolean
  isBlockDevice(): boolean
}): string {
  if (stats.isFIFO()) return 'fifo'
  if (stats.isSocket()) return 'socket'
  return stats.isBlockDevice() ? 'block device' : 'character device'
}
