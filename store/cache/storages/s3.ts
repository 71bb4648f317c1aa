import { MixosError } from '../../../graph/error.ts'
import type { StoredFile, WritableStorage } from '../storage.ts'
import { awsCredentials } from './aws-credentials.ts'
import { awsEnvironment } from './aws-profile.ts'
import { checkPath, checkPrefix, isPath } from './path.ts'
import { bytesOfRange } from './range.ts'
import { parseS3Address } from './s3-address.ts'
import { codeOf, NO_CREDENTIALS, parsePage, refusal } from './s3-answer.ts'
import { openBucket, type S3Options } from './s3-bucket.ts'
import type { WebAnswer, WebRequest } from './web-client.ts'

/**
 * A bucket of Amazon S3 or of a server that speaks its protocol. Without credentials it is read as anyone
 * may. Nothing is asked of it before the first use. Throws BAD_ARGUMENT for an address of another form, and
 * CACHE_DENIED where no credentials come from the profile that the user chose.
 */
export async function s3Storage(url: URL, options: S3Options): Promise<WritableStorage> {
  const { host, env } = options
  const address = parseS3Address(url, awsEnvironment(host.files, env))
  const { name, prefix } = address
  const credentials = awsCredentials(host, env)
  // A program that gives them may take longer than a cache may.
  await credentials?.()
  const bucket = openBucket(address, credentials, options)
  let isBucketFound = false

  return {
    name,
    read: async (path, { signal, limit, range }) => {
      if (range && range.length > limit) {
        throw invalid(`${path}: ${range.length} bytes are more than the ${limit} allowed`)
      }
      // HTTP has no empty ranges.
      if (range?.length === 0) return (await has(path, { signal })) ? new Uint8Array() : undefined
      const answer = await send(path, {
        method: 'GET',
        signal,
        limit,
        ...(range && { range }),
      })
      if (answer.status === 404) return absent(answer, signal)
      if (range && RANGE_ANSWERS.includes(answer.status)) {
        return bytesOfRange(answer, { name, path, range })
      }
      if (answer.status !== 200) throw refused(answer, path)
      return answer.data
    },
    has,
    write: async (path, body, { signal }) => {
      needCredentials('write')
      const answer = await send(path, { method: 'PUT', body, signal, limit: ANSWER_LIMIT })
      if (answer.status === 200) return
      // What is said of an upload that broke off may not arrive.
      if (codeOf(answer) === '') await findBucket(signal)
      throw refused(answer, path)
    },
    list: (prefix, { signal }) => list(prefix, signal),
    remove: async (path, { signal }) => {
      needCredentials('remove')
      const answer = await send(path, { method: 'DELETE', signal, limit: ANSWER_LIMIT })
      if (answer.status === 404) await absent(answer, signal)
      else if (answer.status !== 200 && answer.status !== 204) throw refused(answer, path)
    },
    close: () => bucket.close(),
  }

  function send(path: string, request: WebRequest): Promise<WebAnswer> {
    checkPath(path)
    return bucket.send(prefix + path, request)
  }

  async function has(path: string, { signal }: { signal: AbortSignal }): Promise<boolean> {
    const answer = await send(path, { method: 'HEAD', signal, limit: 0 })
    if (answer.status === 404) await absent(answer, signal)
    else if (answer.status !== 200) throw refused(answer, path)
    return answer.status === 200
  }

  /** That a file is absent is only certain where its bucket is there, which the answer to HEAD does not tell. */
  async function absent(answer: WebAnswer, signal: AbortSignal): Promise<undefined> {
    if (!isBucketFound && codeOf(answer) !== 'NoSuchKey') await findBucket(signal)
    isBucketFound = true
  }

  async function findBucket(signal: AbortSignal): Promise<void> {
    const query = { ...LIST, 'max-keys': '1' }
    const answer = await bucket.send('', { method: 'GET', query, signal, limit: ANSWER_LIMIT })
    // Who may read the files of a bucket need not be allowed to list them.
    const isThere = answer.status === 200 || codeOf(answer) === 'AccessDenied'
    if (!isThere) throw refused(answer, 'listing')
  }

  async function* list(wanted: string, signal: AbortSignal): AsyncGenerator<StoredFile> {
    checkPrefix(wanted)
    const { pageSize = 1_000 } = options
    const query = { ...LIST, prefix: prefix + wanted, 'max-keys': String(pageSize) }
    for (let next: string | undefined = ''; next !== undefined; ) {
      const answer: WebAnswer = await bucket.send('', {
        method: 'GET',
        query: { ...query, ...(next !== '' && { 'continuation-token': next }) },
        signal,
        limit: PAGE_LIMIT,
      })
      if (answer.status !== 200) throw refused(answer, 'listing')
      const page = parsePage(answer.data.toString('utf8'), address)
      for (const { key, size, modified } of page.files) {
        const path = key.slice(prefix.length)
        // A bucket may hold other things beside a cache.
        if (key.startsWith(query.prefix) && isPath(path)) yield { path, size, modified }
      }
      if (page.next === next) {
        throw invalid('a page of its listing leads to itself')
      }
      next = page.next
    }
  }

  function needCredentials(verb: string): void {
    if (credentials) return
    throw new MixosError('CACHE_DENIED', `${name}: no credentials to ${verb} with`, {
      hint: NO_CREDENTIALS,
    })
  }

  function invalid(why: string): MixosError {
    return new MixosError('CACHE_INVALID', `${name}: ${why}`)
  }

  function refused(answer: WebAnswer, what: string): MixosError {
    return refusal(answer, { address, what, isAnonymous: !credentials })
  }
}

const RANGE_ANSWERS = [200, 206, 416]
const LIST = { 'list-type': '2' }
const ANSWER_LIMIT = 64 * 1024
/** A thousand keys of 1,024 bytes each, with what is said of them. */
const PAGE_LIMIT = 8 * 1024 * 1024
