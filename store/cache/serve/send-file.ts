import type { OutgoingHttpHeaders } from 'node:http'
import { type Buffers, buffersOf } from './buffers.ts'
import type { OpenFile } from './disk.ts'
import type { Exchange } from './exchange.ts'
import { type Part, parseRange } from './range.ts'
import type { Target } from './target.ts'

// Most manifests and all traces fit: they are read and sent in one go.
const SMALL = 32 << 10
// Of a download, one chunk is in memory while the kernel sends the one before. The first downloads get large ones,
// which are half as fast again; with more, memory counts.
const CHUNK = 1 << 20
const CROWDED_CHUNK = 128 << 10

const small = buffersOf(SMALL, { most: Number.POSITIVE_INFINITY, keep: 256 })
const large = buffersOf(CHUNK, { most: 16 })
const crowded = buffersOf(CROWDED_CHUNK, { most: Number.POSITIVE_INFINITY, keep: 64 })

/** Answers GET or HEAD with the file, or with a part of it. */
export async function sendFile(exchange: Exchange, file: OpenFile, target: Target): Promise<void> {
  const { method, headers } = exchange
  const { size } = file
  const tag = tagOf(target, file)
  const common: OutgoingHttpHeaders = { etag: tag, 'cache-control': keptFor(target) }
  if (isKnown(headers['if-none-match'], tag)) return void (await exchange.answer(304, common))
  common['accept-ranges'] = 'bytes'
  // A part of another version would be worth nothing.
  const isSame = headers['if-range'] === undefined || headers['if-range'] === tag
  const isRanged = method === 'GET' && isSame
  const range = isRanged ? parseRange(headers.range, size) : undefined
  if (range === 'none') {
    return exchange.refuse(416, `it has ${size} bytes`, { 'content-range': `bytes */${size}` })
  }
  const part = range ?? { offset: 0, length: size }
  const { offset, length } = part
  common['content-length'] = length
  common['content-type'] = TYPES[target.kind]
  if (range) common['content-range'] = `bytes ${offset}-${offset + length - 1}/${size}`
  const status = range ? 206 : 200
  if (method === 'HEAD' || length === 0) return void (await exchange.answer(status, common))
  if (length <= SMALL) return sendAtOnce(exchange, file, { part, status, headers: common })
  exchange.begin(status, common)
  await sendChunks(exchange, file, part)
}

const TYPES: Record<Target['kind'], string> = {
  info: 'application/json',
  trace: 'application/json',
  object: 'application/json',
  index: 'application/json',
  pack: 'application/octet-stream',
}

/**
 * A pack is named by its bytes; the others may be replaced, also an index: where the frames of its files are comes from
 * whoever pushed it last.
 */
function tagOf(target: Target, { version }: OpenFile): string {
  return `"${target.kind === 'pack' ? target.hash.slice(0, 40) : version}"`
}

function keptFor({ kind }: Target): string {
  return kind === 'pack' ? 'public, max-age=31536000, immutable' : 'no-cache'
}

function isKnown(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  return header === '*' || header.split(',').some(known => known.trim().replace(/^W\//, '') === tag)
}

async function sendAtOnce(
  exchange: Exchange,
  file: OpenFile,
  { part, status, headers }: { part: Part; status: number; headers: OutgoingHttpHeaders },
): Promise<void> {
  await lending([small], async buffer => {
    const data = buffer.subarray(0, part.length)
    await fill(file, data, part.offset)
    return exchange.answer(status, headers, data)
  })
}

async function sendChunks(exchange: Exchange, file: OpenFile, part: Part): Promise<void> {
  const end = part.offset + part.length
  await lending(part.length > CROWDED_CHUNK ? [large, crowded] : [crowded], async buffer => {
    for (let at = part.offset; at < end; at += buffer.length) {
      const data = buffer.subarray(0, Math.min(buffer.length, end - at))
      await fill(file, data, at)
      if (!(await exchange.send(data))) return false
    }
    exchange.end()
    return true
  })
}

/** Lends a buffer from the first that has one; the action says whether all that was in it has been sent. */
async function lending(
  from: readonly Buffers[],
  action: (buffer: Buffer) => Promise<boolean>,
): Promise<void> {
  for (const buffers of from) {
    const buffer = buffers.take()
    if (!buffer) continue
    let isFree = false
    try {
      isFree = await action(buffer)
    } finally {
      buffers.give(buffer, { isFree })
    }
    return
  }
}

async function fill(file: OpenFile, data: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const count = await file.read(done === 0 ? data : data.subarray(done), offset + done)
    if (count === 0) throw new Error(`the file ended at byte ${offset + done} of ${file.size}`)
    done += count
  }
}
