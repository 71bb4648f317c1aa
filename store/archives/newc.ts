import { MixosError } from '../../graph/error.ts'

/**
 * Writes the cpio archives in "newc" format that the kernel unpacks as its initramfs: see
 * Documentation/driver-api/early-userspace/buffer-format.rst in its source.
 */

/** A file, directory, link or character device of an archive, by its path relative to the root. */
export type NewcEntry = { readonly path: string; readonly mode: number } & (
  | { readonly type: 'directory' }
  | { readonly type: 'file'; readonly content: Uint8Array }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'device'; readonly major: number; readonly minor: number }
)

/**
 * The archive, piece by piece. The same entries give the same bytes: inode numbers count from 1,
 * everything belongs to root, and nothing is a hard link.
 *
 * Entries must come sorted by path, bytewise, each after its directory: the kernel drops without a
 * word what has no directory to go into. Throws DERIVATION_INVALID where they do not, and for what newc cannot hold.
 */
export function* newc(
  entries: Iterable<NewcEntry>,
  { mtime }: { mtime: number },
): Generator<Uint8Array> {
  const directories = new Set([''])
  let previous: Buffer | undefined
  let inode = 0
  for (const entry of entries) {
    const path = Buffer.from(entry.path)
    check(entry.path, directories, previous === undefined || previous.compare(path) < 0)
    if (entry.type === 'directory') directories.add(entry.path)
    inode += 1
    yield header({ ...numbersOf(entry), inode, mtime, path })
    yield padded(contentOf(entry))
    previous = path
  }
  const end = Buffer.from('TRAILER!!!')
  yield header({ inode: 0, mode: 0, links: 1, mtime: 0, size: 0, device: [0, 0], path: end })
}

/**
 * Character devices from lines such as `dev/console c 5 1 600`: path,
 * kind, major, minor, mode in octal. Throws DERIVATION_INVALID.
 */
export function parseDevices(text: string): NewcEntry[] {
  const lines = text.split('\n').filter(line => line.trim() !== '')
  return lines.map(line => {
    const match = /^(\S+) c (\d+) (\d+) ([0-7]{3,4})$/.exec(line.trim())
    const [, path = '', major, minor, mode = ''] = match ?? []
    if (!match) {
      throw new MixosError('DERIVATION_INVALID', `not a device: ${JSON.stringify(line)}`, {
        hint: 'write it as: dev/console c 5 1 600',
      })
    }
    return {
      type: 'device',
      path,
      major: Number(major),
      minor: Number(minor),
      mode: Number.parseInt(mode, 8),
    }
  })
}

/** For sorting entries into the order that an archive has. */
export function byPath(a: NewcEntry, b: NewcEntry): number {
  return Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))
}

const KIND = { directory: 0o040000, file: 0o100000, symlink: 0o120000, device: 0o020000 } as const
const MAX_SIZE = 0xffffffff

interface Header {
  readonly inode: number
  readonly mode: number
  readonly links: number
  readonly mtime: number
  readonly size: number
  readonly device: readonly [number, number]
  readonly path: Uint8Array
}

function invalid(what: string): MixosError {
  return new MixosError('DERIVATION_INVALID', what)
}

function check(path: string, directories: ReadonlySet<string>, isAfter: boolean): void {
  const parts = path.split('/')
  const isPlain = parts.every(part => part !== '' && part !== '.' && part !== '..')
  if (!isPlain || path.includes('\0')) throw invalid(`not a relative path: ${JSON.stringify(path)}`)
  if (!isAfter) throw invalid(`${path} is out of order or twice in the archive`)
  const parent = parts.slice(0, -1).join('/')
  if (!directories.has(parent)) throw invalid(`${path} comes without its directory`)
}

function numbersOf(entry: NewcEntry): Pick<Header, 'mode' | 'links' | 'size' | 'device'> {
  const size = contentOf(entry).byteLength
  if (size > MAX_SIZE) throw invalid(`${entry.path} is too large for newc: ${size} bytes`)
  return {
    mode: KIND[entry.type] | entry.mode,
    links: entry.type === 'directory' ? 2 : 1,
    size,
    device: entry.type === 'device' ? [entry.major, entry.minor] : [0, 0],
  }
}

function contentOf(entry: NewcEntry): Uint8Array {
  if (entry.type === 'file') return entry.content
  return Buffer.from(entry.type === 'symlink' ? entry.target : '')
}

function header({ inode, mode, links, mtime, size, device, path }: Header): Uint8Array {
  const nameSize = path.byteLength + 1
  // inode, mode, uid, gid, links, mtime, size, device of the file system, device, name, checksum
  const fields = [inode, mode, 0, 0, links, mtime, size, 0, 0, ...device, nameSize, 0]
  const text = fields.map(field => field.toString(16).padStart(8, '0')).join('')
  return padded(Buffer.concat([Buffer.from(`070701${text}`), path, Buffer.from('\0')]))
}

function padded(bytes: Uint8Array): Uint8Array {
  const missing = -bytes.byteLength & 3
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)])
}
