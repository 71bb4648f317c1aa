import { setTimeout as sleep } from 'node:timers/promises'
import type { Fetch } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import { type Download, openDownload } from './download.ts'
import { type Fetcher, type FetchOptions, PassingFailure } from './fetcher.ts'
import { fileFetcher } from './file.ts'
import { httpFetcher } from './http.ts'
import { expandUrl, type Mirrors } from './mirrors.ts'
import { withNpm } from './npm-registry.ts'

export interface FetchPinnedOptions extends FetchOptions {
  /** The file that will hold the bytes; it may hold a beginning of them. */
  readonly path: string
  /** `<name>-<version>`, for messages. */
  readonly label: string
  readonly mirrors: Mirrors
  readonly warn: (message: string, hint?: string) => void
  /** By protocol, with its colon. */
  readonly fetchers?: Readonly<Record<string, Fetcher>>
  /** Waits so many milliseconds; rejects where the signal aborts first. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

/** Why one URL did not serve. */
interface Failure {
  readonly url: string
  readonly reason: string
  /** It served a file, but another one. */
  readonly wrong?: boolean
  readonly isPassing?: boolean
}

// A round that brings new bytes is followed by the next at once; this bounds how often a connection may break.
const MAX_ROUNDS = 8
// Before the rounds that follow one without new bytes, in milliseconds.
const PAUSES = [2000, 6000, 18_000]

/**
 * Leaves the bytes of a fetch at `path`, verified. Asks every URL and every mirror in order; one that
 * is down, slow, cut off or serves anything else is passed over, and what it did serve is resumed from
 * the next. Where none serves, those that may soon do are asked again, after a while. Gives the URL that served
 * the last of the bytes, or undefined where all were here. Throws HASH_MISMATCH where nothing but other files was
 * found, else FETCH_FAILED with what each URL did, or CANCELLED.
 */
export async function fetchPinned(
  host: Host,
  fetch: Fetch,
  options: FetchPinnedOptions,
): Promise<string | undefined> {
  const { label, signal, path, warn } = options
  const mirrors = await withNpm(host, options.mirrors, fetch.urls)
  const urls = fetch.urls.flatMap(url => expandUrl(url, mirrors))
  using download = await openDownload(host, { path, size: fetch.size })
  // An earlier run may have been killed between the last byte and the end.
  if (isComplete(download, fetch)) return undefined
  if (download.position === fetch.size) download.restart()
  const context = { fetch, download, options, fetchers: options.fetchers ?? fetchersOf(host) }
  const failures = new Map<string, Failure>()
  const pauses = [...PAUSES]
  let asked = urls
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    const before = download.position
    for (const url of asked) {
      if (signal.aborted) throw cancelled(label)
      const failure = await attempt(context, url)
      if (!failure) return withoutPassword(url)
      failures.set(url, failure)
    }
    asked = asked.filter(url => failures.get(url)?.isPassing)
    const last = failures.get(asked.at(-1) ?? '')
    if (!last) break
    if (download.position > before) continue
    const pause = round < MAX_ROUNDS ? pauses.shift() : undefined
    if (pause === undefined) break
    if (pause === PAUSES[0])
      warn(`${label} cannot be fetched yet, and is tried again: ${last.url}: ${last.reason}`)
    await waitFor(pause, options)
  }
  throw unavailable(fetch, label, [...failures.values()])
}

async function waitFor(
  pause: number,
  { label, signal, wait = (ms, signal) => sleep(ms, undefined, { signal }) }: FetchPinnedOptions,
): Promise<void> {
  try {
    await wait(pause, signal)
  } catch (error) {
    if (!signal.aborted) throw error
    throw cancelled(label, error)
  }
}

export function fetchersOf(host: Host): Readonly<Record<string, Fetcher>> {
  const http = httpFetcher(host)
  return { 'http:': http, 'https:': http, 'file:': fileFetcher(host) }
}

interface Context {
  readonly fetch: Fetch
  readonly download: Download
  readonly options: FetchPinnedOptions
  readonly fetchers: Readonly<Record<string, Fetcher>>
}

/** Tries one URL; undefined when it had the right bytes. */
async function attempt(context: Context, text: string): Promise<Failure | undefined> {
  const { fetch, download, options, fetchers } = context
  const { signal, onProgress, label, warn } = options
  const url = URL.parse(text)
  const fetcher = url ? fetchers[url.protocol] : undefined
  const shown = withoutPassword(text)
  if (!url || !fetcher) return { url: shown, reason: reasonAgainst(text) }
  const resumed = download.position > 0
  try {
    await fetcher.fetch(url, download, { signal, onProgress })
  } catch (error) {
    if (signal.aborted) throw cancelled(label, error)
    if (!(error instanceof MixosError)) throw error
    if (error.code !== 'FETCH_FAILED' && error.code !== 'HASH_MISMATCH') throw error
    const wrong = error.code === 'HASH_MISMATCH'
    if (wrong) warn(`${shown} is not ${label}: ${error.message}, expected ${fetch.hash}`)
    return { url: shown, reason: error.message, wrong, isPassing: error instanceof PassingFailure }
  }
  if (isComplete(download, fetch)) return undefined
  const got = download.hash()
  download.restart()
  // The beginning may have come from elsewhere, so this URL is not to blame yet.
  if (resumed) return attempt(context, text)
  warn(`${shown} has other bytes than ${label}: expected ${fetch.hash}, got ${got}`)
  return { url: shown, reason: `expected ${fetch.hash}, got ${got}`, wrong: true }
}

function isComplete(download: Download, fetch: Fetch): boolean {
  return download.position === fetch.size && download.hash() === fetch.hash
}

function reasonAgainst(url: string): string {
  if (!url.startsWith('mirror:')) return 'it is no URL that can be fetched'
  return 'no mirror of that site is known'
}

/** An address as it may be shown, also one that is no URL. */
export function withoutPassword(address: string): string {
  const url = URL.parse(address)
  if (!url) return address.replace(/:\/\/[^/?#]*@/, '://')
  if (url.username === '' && url.password === '') return address
  url.username = ''
  url.password = ''
  return url.href
}

function cancelled(label: string, cause?: unknown): MixosError {
  return new MixosError('CANCELLED', `the fetch of ${label} was cancelled`, { cause })
}

function unavailable(fetch: Fetch, label: string, failures: readonly Failure[]): MixosError {
  const tried = failures.map(({ url, reason }) => `\n  ${url}: ${reason}`).join('')
  if (failures.some(failure => failure.wrong)) {
    return new MixosError('HASH_MISMATCH', `nobody serves ${label} with ${fetch.hash}${tried}`, {
      hint: 'if upstream replaced the file on purpose, pin it anew with: mixos lock update NAME',
    })
  }
  const isUntrusted = failures.every(({ reason }) => reason.includes('certificate'))
  return new MixosError('FETCH_FAILED', `cannot fetch ${label}${tried}`, {
    hint: isUntrusted ? OWN_AUTHORITY : ELSEWHERE,
  })
}

const OWN_AUTHORITY =
  'where a network has a certificate authority of its own, Node believes it after: export NODE_EXTRA_CA_CERTS=FILE.pem'
const ELSEWHERE =
  'check the network and the proxy, or name a mirror in $XDG_CONFIG_HOME/mixos/mirrors.json; pins of replaced files are renewed with: mixos lock update'
