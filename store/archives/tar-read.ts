import { MixosError } from '../../graph/error.ts'
import { isEntryName } from '../../graph/manifest.ts'
import { shown } from '../../graph/shown.ts'

/** One entry of a foreign archive; its name is plain and leads nowhere else. */
export interface TarHeader {
  /** Without a slash at its end. */
  readonly path: string
  readonly type: 'file' | 'directory' | 'symlink'
  readonly executable: boolean
  readonly size: number
  readonly target: string
}

export interface TarReader {
  /** The next entry, after what is left of the one before; undefined at the end of the archive. */
  next(): Promise<TarHeader | undefined>
  /** The bytes of this entry; with the last, the archive is read up to the next entry. */
  content(): AsyncGenerator<Buffer>
}

export interface TarLimits {
  readonly entries: number
  /** Of the whole archive. */
  readonly bytes: number
}

const BLOCK = 512
/** Of a header that says what does not fit into another. */
const PAX_LIMIT = 16 << 10
const TYPES: Readonly<Record<string, string>> = {
  1: 'a hard link',
  3: 'a character device',
  4: 'a block device',
  6: 'a fifo',
  g: 'a header for all entries',
}

/**
 * Reads a foreign archive in the formats ustar and pax as it comes, in little memory. Throws PACKAGE_INVALID, naming
 * the entry, for hard links, devices and fifos, setuid and setgid files, names that are absolute or hold "..", names
 * that come twice, and for more entries or bytes than the limits.
 */
export function readTar(
  chunks: AsyncIterable<Uint8Array>,
  {
    label,
    limits,
    onBytes,
  }: { label: string; limits: TarLimits; onBytes?: (bytes: Buffer) => void },
): TarReader {
  const source = chunks[Symbol.asyncIterator]()
  let buffer: Buffer = Buffer.alloc(0)
  let [total, entries, left, pad] = [0, 0, 0, 0]
  const seen = new Set<string>()
  const refuse = (what: string): MixosError =>
    new MixosError('PACKAGE_INVALID', `${label}: ${what}`, {
      hint: 'get the file again from where it was made',
    })

  async function more(): Promise<boolean> {
    const { done, value } = await source.next()
    if (done) return false
    total += value.length
    if (total > limits.bytes) throw refuse(`it unpacks to more than ${limits.bytes} bytes`)
    buffer = buffer.length === 0 ? Buffer.from(value) : Buffer.concat([buffer, value])
    return true
  }

  function take(length: number): Buffer {
    const bytes = buffer.subarray(0, length)
    buffer = buffer.subarray(length)
    onBytes?.(bytes)
    return bytes
  }

  async function exactly(length: number): Promise<Buffer> {
    while (buffer.length < length)
      if (!(await more())) throw refuse('it ends in the middle of an entry')
    return take(length)
  }

  async function* content(): AsyncGenerator<Buffer> {
    while (left > 0) {
      if (buffer.length === 0 && !(await more())) throw refuse('it ends in the middle of a file')
      const bytes = take(Math.min(left, buffer.length))
      left -= bytes.length
      yield bytes
    }
    await exactly(pad)
    pad = 0
  }

  async function next(): Promise<TarHeader | undefined> {
    for await (const _ of content());
    let long: Readonly<Record<string, string>> = {}
    for (;;) {
      const block = await exactly(BLOCK)
      if (block.every(byte => byte === 0)) return finish()
      const raw = parseHeader(block)
      if (raw === undefined) throw refuse('it has a damaged header')
      if (raw.type !== 'x') return announce(raw, long)
      if (raw.size > PAX_LIMIT) throw refuse(`it has an entry with a name of ${raw.size} bytes`)
      const records = parsePax(await exactly(raw.size))
      if (!records) throw refuse('it has a damaged header')
      long = records
      await exactly(padOf(raw.size))
    }
  }

  /** Nothing may hide behind the end. */
  async function finish(): Promise<undefined> {
    for (;;) {
      if (take(buffer.length).some(byte => byte !== 0)) throw refuse('there is more behind its end')
      if (!(await more())) return undefined
    }
  }

  function announce(raw: RawHeader, long: Readonly<Record<string, string>>): TarHeader {
    const name = long.path ?? raw.name
    const path = name.replace(/\/$/, '')
    const entry = (what: string): MixosError => refuse(`entry ${shown(name)} ${what}`)
    if (++entries > limits.entries) throw refuse(`it has more than ${limits.entries} entries`)
    if (name.startsWith('/')) throw entry('has an absolute name')
    if (!path.split('/').every(isEntryName)) throw entry('has a name that is not plain')
    const type = ({ '0': 'file', '\0': 'file', '2': 'symlink', '5': 'directory' } as const)[
      raw.type
    ]
    if (!type) throw entry(`is ${TYPES[raw.type] ?? `of the unknown type ${shown(raw.type)}`}`)
    if (raw.mode & 0o7000) throw entry(`has mode ${raw.mode.toString(8)}: setuid, setgid or sticky`)
    if (seen.has(path)) throw entry('is there twice')
    seen.add(path)
    const size = long.size === undefined ? raw.size : Number(long.size)
    if (!Number.isSafeInteger(size) || size < 0 || (type !== 'file' && size > 0))
      throw entry(`has an invalid size, ${shown(long.size ?? size)}`)
    if (size > limits.bytes) throw refuse(`it unpacks to more than ${limits.bytes} bytes`)
    left = size
    pad = padOf(size)
    const target = type === 'symlink' ? (long.linkpath ?? raw.target) : ''
    return { path, type, executable: (raw.mode & 0o100) !== 0, size, target }
  }

  return { next, content }
}

interface RawHeader {
  readonly name: string
  readonly mode: number
  readonly size: number
  readonly type: string
  readonly target: string
}

function parseHeader(block: Buffer): RawHeader | undefined {
  const text = (at: number, length: number): string => {
    const end = block.indexOf(0, at)
    return block.toString('utf8', at, end < 0 || end > at + length ? at + length : end)
  }
  const number = (at: number, length: number): number => {
    const digits = text(at, length).trim()
    return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
  }
  let sum = 0
  for (const [index, byte] of block.entries()) sum += index >= 148 && index < 156 ? 32 : byte
  const [mode, size, stated] = [number(100, 8), number(124, 12), number(148, 8)]
  if (stated !== sum || !Number.isSafeInteger(mode) || !Number.isSafeInteger(size)) return undefined
  if (text(257, 5) !== 'ustar') return undefined
  // In the format of GNU, other things are in the place of the prefix.
  const prefix = block[262] === 0 ? text(345, 155) : ''
  const name = prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`
  return { name, mode, size, type: String.fromCharCode(block[156] ?? 0), target: text(157, 100) }
}

function parsePax(bytes: Buffer): Record<string, string> | undefined {
  const records: Record<string, string> = {}
  for (let at = 0; at < bytes.length; ) {
    const [head = '', digits = ''] =
      /^([1-9]\d{0,5}) /.exec(bytes.toString('latin1', at, at + 8)) ?? []
    const end = at + Number(digits)
    const equals = bytes.indexOf('=', at)
    if (head === '' || end > bytes.length || bytes[end - 1] !== 0x0a || equals < 0 || equals >= end)
      return undefined
    records[bytes.toString('utf8', at + head.length, equals)] = bytes.toString(
      'utf8',
      equals + 1,
      end - 1,
    )
    at = end
  }
  return records
}

const padOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK
