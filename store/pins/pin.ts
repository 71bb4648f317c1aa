import { MixosError } from '../../graph/error.ts'
import type { Pin } from '../../graph/lock.ts'
import { openDownload } from '../fetch/download.ts'
import { fetchersOf, withoutPassword } from '../fetch/fetch-pinned.ts'
import { expandUrl, type Mirrors } from '../fetch/mirrors.ts'
import { withNpm } from '../fetch/npm-registry.ts'
import type { Host } from '../host.ts'

export type Content = Pick<Pin, 'hash' | 'size'>

export interface FetchUnpinnedOptions {
  /** The file that will hold the bytes; what is there is replaced. */
  readonly path: string
  /** In bytes; more is refused. */
  readonly limit?: number
  readonly signal: AbortSignal
}

/** Fetches what nobody knows the hash of yet. Throws FETCH_FAILED, naming the URL and the reason. */
export async function fetchUnpinned(
  host: Host,
  url: string,
  options: FetchUnpinnedOptions,
): Promise<Content> {
  const { path, limit, signal } = options
  const parsed = URL.parse(url)
  const fetcher = parsed ? fetchersOf(host)[parsed.protocol] : undefined
  const shown = withoutPassword(url)
  if (!parsed || !fetcher) throw new MixosError('FETCH_FAILED', `${shown}: nothing can fetch it`)
  host.files.unlink(path)
  using download = await openDownload(host, { path, size: undefined, ...(limit && { limit }) })
  try {
    await fetcher.fetch(parsed, download, { signal, onProgress: () => undefined })
  } catch (error) {
    if (signal.aborted) throw new MixosError('CANCELLED', `the fetch of ${shown} was cancelled`)
    if (!(error instanceof MixosError) || error.code === 'DISK_FULL') throw error
    const message = `${shown}: ${error.message}`
    throw new MixosError('FETCH_FAILED', message, { hint: 'check the network', cause: error })
  }
  return { hash: download.hash(), size: download.position }
}

export interface PinOptions extends FetchUnpinnedOptions {
  readonly mirrors: Mirrors
  readonly warn: (message: string, hint?: string) => void
  /** What the bytes are known to be from a trusted index. */
  readonly expected?: Content
}

/**
 * The hash and size of what some URLs serve, found by fetching from all of them. One that does not
 * answer is warned of. Throws HASH_MISMATCH, naming both, where two differ, or one from what is expected,
 * and FETCH_FAILED where none answers.
 */
export async function pinUrls(
  host: Host,
  urls: readonly string[],
  options: PinOptions,
): Promise<Content> {
  const { warn, expected } = options
  const mirrors = await withNpm(host, options.mirrors, urls)
  let known = expected && { ...expected, source: 'the signed index' }
  for (const url of urls.flatMap(url => expandUrl(url, mirrors))) {
    const content = await contentOf(host, url, options).catch(error => {
      if (!(error instanceof MixosError) || error.code !== 'FETCH_FAILED') throw error
      warn(`cannot check ${error.message}`)
      return undefined
    })
    if (!content) continue
    const source = withoutPassword(url)
    if (known && known.hash !== content.hash) {
      throw new MixosError(
        'HASH_MISMATCH',
        `${known.source} has ${known.hash}, ${source} has ${content.hash}`,
        { hint: 'remove the URL with other bytes from configs/pins.ts' },
      )
    }
    known ??= { ...content, source }
  }
  if (known) return { hash: known.hash, size: known.size }
  const all = urls.map(withoutPassword).join(', ')
  throw new MixosError('FETCH_FAILED', `none of these can be fetched: ${all}`, {
    hint: 'check the network',
  })
}

async function contentOf(host: Host, url: string, options: FetchUnpinnedOptions): Promise<Content> {
  try {
    return await fetchUnpinned(host, url, options)
  } finally {
    host.files.unlink(options.path)
  }
}
