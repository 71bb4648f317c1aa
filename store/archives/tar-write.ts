/** What goes into an archive. */
export type TarEntry =
  | { readonly path: string; readonly type: 'directory' }
  | { readonly path: string; readonly type: 'symlink'; readonly target: string }
  | {
      readonly path: string
      readonly type: 'file'
      readonly executable: boolean
      readonly size: number
      /** Its bytes, `size` in all. */
      readonly content: Iterable<Uint8Array>
    }

const BLOCK = 512
/** A file's largest size in the header of ustar: eleven octal digits. */
const LARGEST = 8 ** 11 - 1

/**
 * An archive in the format ustar, with a header of pax for what does not fit: no owner, no time, the same every time.
 */
export function* tarOf(entries: Iterable<TarEntry>): Generator<Uint8Array> {
  for (const entry of entries) {
    yield* headersOf(entry)
    if (entry.type !== 'file') continue
    let left = entry.size
    for (const chunk of entry.content) {
      left -= chunk.length
      yield chunk
    }
    if (left !== 0) throw new Error(`${entry.path} is ${-left} bytes longer than ${entry.size}`)
    yield padding(entry.size)
  }
  yield Buffer.alloc(2 * BLOCK)
}

function* headersOf(entry: TarEntry): Generator<Uint8Array> {
  const path = entry.type === 'directory' ? `${entry.path}/` : entry.path
  const target = entry.type === 'symlink' ? entry.target : ''
  const size = entry.type === 'file' ? entry.size : 0
  const long: Record<string, string> = {}
  if (!fits(path)) long.path = path
  if (!fits(target)) long.linkpath = target
  if (size > LARGEST) long.size = String(size)
  if (Object.keys(long).length > 0) {
    const records = Buffer.from(Object.entries(long).map(recordOf).join(''))
    yield header({ path: 'pax', type: 'x', mode: 0o644, size: records.length, target: '' })
    yield records
    yield padding(records.length)
  }
  const isExecutable = entry.type !== 'file' || entry.executable
  yield header({
    path: long.path === undefined ? path : 'long',
    target: long.linkpath === undefined ? target : 'long',
    type: { file: '0', symlink: '2', directory: '5' }[entry.type],
    mode: entry.type === 'symlink' ? 0o777 : isExecutable ? 0o755 : 0o644,
    size: long.size === undefined ? size : 0,
  })
}

const fits = (text: string): boolean => /^[\x20-\x7e]*$/.test(text) && text.length <= 100

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function recordOf([key, value]: readonly [string, string]): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + 1
  while (rest + String(length).length !== length) length++
  return `${length} ${key}=${value}\n`
}

function header(fields: {
  path: string
  type: string
  mode: number
  size: number
  target: string
}): Buffer {
  const { path, type, mode, size, target } = fields
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, digits: number): string =>
    `${value.toString(8).padStart(digits, '0')}\0`
  block.write(path, 0, 100, 'latin1')
  block.write(octal(mode, 7), 100)
  block.write(octal(0, 7), 108)
  block.write(octal(0, 7), 116)
  block.write(octal(size, 11), 124)
  // As of all files of an object.
  block.write(octal(1, 11), 136)
  block.write(' '.repeat(8), 148)
  block.write(type, 156)
  block.write(target, 157, 100, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  let sum = 0
  for (const byte of block) sum += byte
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

const padding = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
