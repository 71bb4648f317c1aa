import { join, resolve } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ExtractOptions } from 'tar-fs'
import { MixosError } from '../../graph/error.ts'
import type { Files, Host } from '../host.ts'

export interface UnpackOptions {
  /** A directory that nobody else can write to. */
  readonly into: string
  /** For messages. */
  readonly label: string
  /** Of all files together, in bytes. */
  readonly limit: number
}

interface Header {
  readonly name: string
  readonly type: string | null
  readonly mode: number
  readonly size: number
  readonly linkname?: string | null
}

/**
 * Unpacks a foreign tar archive over what is there. Directories, files and symlinks come out, and hard
 * links as copies; owners, times and setuid bits do not. Throws OBJECT_INVALID, and unpacks no further,
 * at a name that is absolute or holds "..", a path through a symlink or a file, a hard link to anything
 * but a file of this archive, a device, fifo or socket, content in anything but a file, or when `limit` is exceeded.
 */
export async function unpackTar(host: Host, tar: Buffer, options: UnpackOptions): Promise<void> {
  // The one import of this package, loaded when first used.
  const { extract } = await import('tar-fs')
  const into = resolve(options.into)
  const guard = guardOf({ ...options, into })
  const stream = extract(into, {
    // With a slash at its end, the path of a symlink would stand for what it leads to.
    map: header => ({ ...header, name: header.name.replace(/\/+$/, '') }),
    // Called for every entry before anything is done with it.
    ignore: (_path: string, header: unknown) => {
      const problem = guard.problemWith(header as Header)
      if (problem) stream.destroy(problem)
      return problem !== undefined
    },
    fs: fileSystemOf(host, options, guard),
    // A symlink may lead anywhere, since nothing here ever follows one.
    validateSymlinks: false,
    chown: false,
    utimes: false,
    umask: 0,
  } as ExtractOptions)
  // What fails in an entry fails the whole, which is where it is handled.
  stream.prependListener('entry', (_header, entry) => entry.on('error', () => undefined))
  try {
    await pipeline(Readable.from(slices(tar)), stream)
  } catch (error) {
    const { message } = error as Error
    if (error instanceof MixosError || isOfTheDisk(error)) throw error
    throw new MixosError('OBJECT_INVALID', `${options.label}: ${message}`, { cause: error })
  }
}

// A file in a directory's place, and the like: the archive contradicts itself.
const CONTRADICTIONS = new Set(['EEXIST', 'EISDIR', 'ELOOP', 'ENOTDIR', 'ENOTEMPTY', 'EPERM'])

function isOfTheDisk(error: unknown): boolean {
  const { syscall, code } = error as NodeJS.ErrnoException
  return syscall !== undefined && !CONTRADICTIONS.has(code ?? '')
}

interface Guard {
  /** What speaks against unpacking the entry. */
  problemWith(header: Header): MixosError | undefined
  /** The sizes of files in this archive, by their paths below the directory. */
  readonly files: Map<string, number>
}

function guardOf({ label, limit, into }: UnpackOptions): Guard {
  const files = new Map<string, number>()
  let total = 0
  const flaw = (header: Header): string | undefined => {
    const { name, type, size, linkname } = header
    const bad = flawOfName(name)
    if (bad) return bad
    if (type !== 'file' && type !== 'directory' && type !== 'symlink' && type !== 'link') {
      return `it is a ${type ?? 'thing of an unknown kind'}`
    }
    // Nobody would read it, and the archive would be waited for.
    if (type !== 'file' && size > 0) return `it is a ${type} with ${size} bytes of content`
    if (type === 'symlink' && flawOfTarget(linkname)) return flawOfTarget(linkname)
    if (type === 'link') {
      const target = join(into, linkname ?? '')
      if (flawOfName(linkname ?? '') || !files.has(target)) {
        return `it links to ${JSON.stringify(linkname)}, which is no file of the archive before it`
      }
    }
    // A hard link becomes a copy.
    const bytes = type === 'link' ? (files.get(join(into, linkname ?? '')) ?? 0) : size
    total += bytes
    if (total > limit) return `all files up to it exceed ${limit} bytes`
    if (type === 'file' || type === 'link') files.set(join(into, name), bytes)
    else files.delete(join(into, name))
    return undefined
  }
  return {
    files,
    problemWith(header) {
      const problem = flaw(header)
      if (problem === undefined) return undefined
      return new MixosError(
        'OBJECT_INVALID',
        `${label}: entry ${JSON.stringify(header.name)}: ${problem}`,
      )
    },
  }
}

/** Names as tar writes them: `./usr/bin/sh`, a directory with a slash at its end. */
function flawOfName(name: string): string | undefined {
  if (name === '') return 'its name is empty'
  if (name.startsWith('/')) return 'its name is absolute'
  if (hasControl(name)) return 'its name holds a control character'
  const parts = name.split('/')
  if (parts.includes('..')) return 'its name holds ".."'
  if (parts.some(part => Buffer.byteLength(part) > 255)) return 'its name is too long'
  if (parts.length > 64) return 'it lies too deep'
  return undefined
}

function flawOfTarget(target: string | null | undefined): string | undefined {
  if (!target) return 'its target is empty'
  if (target.includes('\0')) return 'its target holds a NUL byte'
  return Buffer.byteLength(target) > 4095 ? 'its target is too long' : undefined
}

const hasControl = (text: string): boolean =>
  [...text].some(character => character < ' ' || character === '\x7f')

type Done = (error?: unknown, result?: unknown) => void

/**
 * The part of node:fs that tar-fs uses, on the host. It is stricter than tar-fs: nothing is followed,
 * and what is in the way of a new file is removed, not written to.
 */
function fileSystemOf({ files }: Host, { label }: UnpackOptions, guard: Guard) {
  // Objects have no hard links: they are copies, which keep the mode of what they were copied from.
  const copies = new Set<string>()
  const refused = (path: string, problem: string) =>
    new MixosError('OBJECT_INVALID', `${label}: ${path}: ${problem}`)
  const lstat = (path: string) => {
    const stats = files.lstat(path)
    if (!stats) throw Object.assign(new Error(`there is no ${path}`), { code: 'ENOENT' })
    return stats
  }
  return {
    lstat: (path: string, done: Done) => answer(done, () => lstat(path)),
    // tar-fs asks whether a directory is there already.
    stat: (path: string, done: Done) =>
      answer(done, () => {
        const stats = lstat(path)
        if (!stats.isDirectory()) throw refused(path, 'it is there and not a directory')
        return stats
      }),
    mkdir: (path: string, _: unknown, done: Done) => answer(done, () => files.makeDirectory(path)),
    unlink: (path: string, done: Done) => answer(done, () => files.unlink(path)),
    symlink: (target: string, path: string, done: Done) =>
      answer(done, () => files.symlink(target, path)),
    realpath: (path: string, done: Done) => answer(done, () => path),
    link: (from: string, to: string, done: Done) =>
      answer(done, () => {
        const stats = lstat(from)
        if (!stats.isFile() || !guard.files.has(from)) throw refused(to, `${from} is not a file`)
        files.writeNew(to, files.read(from) ?? '', stats.mode & 0o777)
        copies.add(to)
      }),
    chmod: (path: string, mode: number, done: Done) =>
      answer(done, () => {
        if (copies.delete(path) || !lstat(path).isFile()) return
        files.changeMode(path, mode & 0o111 ? 0o755 : 0o644)
      }),
    createWriteStream: (path: string) => newFile(files, path),
  }
}

// Never at once: tar-fs would call itself once for each entry, down to the end of the stack.
function answer(done: Done, action: () => unknown): void {
  process.nextTick(() => {
    let result: unknown
    try {
      result = action()
    } catch (error) {
      done(error)
      return
    }
    done(null, result)
  })
}

function newFile(files: Files, path: string): Writable {
  let fd: number | undefined
  return new Writable({
    construct: done =>
      answer(done as Done, () => {
        files.unlink(path)
        fd = files.open(path, 'create')
      }),
    write: (chunk: Buffer, _, done) =>
      answer(done as Done, () => files.writeFrom(fd as number, chunk)),
    destroy: (error, done) => {
      if (fd !== undefined) files.close(fd)
      done(error)
    },
  })
}

function* slices(bytes: Buffer, length = 1 << 20): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += length) {
    yield bytes.subarray(start, start + length)
  }
}
