import { setImmediate } from 'node:timers/promises'
import { MixosError } from '../../../graph/error.ts'
import type { StoredFile, WritableStorage } from '../storage.ts'
import type { Exchange } from './exchange.ts'
import { parseTarget } from './target.ts'

const BATCH = 256

/**
 * Answers with a line of JSON for each file of the cache whose path begins with the prefix, and one with their number.
 */
export async function sendList(
  exchange: Exchange,
  storage: Pick<WritableStorage, 'list'>,
  { prefix, signal }: { prefix: string; signal: AbortSignal },
): Promise<void> {
  const files = storage.list(prefix, { signal })[Symbol.asyncIterator]()
  const first = await batchOf(files).catch(error => {
    if (error instanceof MixosError && error.code === 'CACHE_INVALID') return undefined
    throw error
  })
  if (first === undefined) return exchange.refuse(400, 'this begins no path of a cache')
  exchange.begin(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
  let count = 0
  for (let batch: readonly string[] = first; batch.length > 0; batch = await batchOf(files)) {
    if (!(await exchange.send(Buffer.from(batch.join(''))))) return
    count += batch.length
    // The disk is read in this thread: others get their turn between two batches.
    await setImmediate()
  }
  if (await exchange.send(Buffer.from(lineOf({ files: count })))) exchange.end()
}

async function batchOf(files: AsyncIterator<StoredFile>): Promise<string[]> {
  const lines: string[] = []
  while (lines.length < BATCH) {
    const next = await files.next()
    if (next.done) break
    const { path, size, modified } = next.value
    if (parseTarget(`/${path}`)) lines.push(lineOf({ path, size, modified }))
  }
  return lines
}

const lineOf = (data: object): string => `${JSON.stringify(data)}\n`
