import { MixosError } from '../../graph/error.ts'
import { shown } from '../../graph/shown.ts'

/** What a metadata file says of itself; nothing of it is verified. */
export interface Head {
  readonly version: number
  readonly expires: string
  readonly keyIds: readonly string[]
}

/** For messages alone: what was known before an update, and what the repository offered. */
export interface Heard {
  readonly known: Map<string, Head>
  readonly offered: Map<string, Head | undefined>
  /** Of the last read that failed. */
  failure: unknown
}

export function headOf(bytes: Uint8Array): Head | undefined {
  try {
    const data = JSON.parse(Buffer.from(bytes).toString()) as {
      signed?: { version?: unknown; expires?: unknown }
      signatures?: readonly { keyid?: unknown }[]
    } | null
    const { version, expires } = data?.signed ?? {}
    if (typeof version !== 'number' || typeof expires !== 'string') return undefined
    const signatures = Array.isArray(data?.signatures) ? data.signatures : []
    return { version, expires, keyIds: signatures.map(({ keyid }) => String(keyid)) }
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}

export function hearing(heard: Heard, path: string, bytes: Uint8Array | undefined): void {
  const role = roleOf(path)
  if (bytes || role !== 'root') heard.offered.set(role, bytes && headOf(bytes))
}

const roleOf = (path: string): string => /([a-z]+)\.json$/.exec(path)?.[1] ?? path

/** The order in which they are read: the last one heard of is the one that was refused. */
const ORDER = ['root', 'timestamp', 'snapshot', 'targets']

/** What the updater failed with, as what a user can act on. */
export function explained(
  error: unknown,
  { heard, repository, now }: { heard: Heard; repository: string; now: number },
): unknown {
  if (heard.failure !== undefined || !(error instanceof Error)) return heard.failure ?? error
  if (/^Failed to persist/.test(error.message)) return error
  const problem = problemOf(error, heard, now)
  return new MixosError('REPOSITORY_INVALID', `${repository}: ${problem.what}`, {
    hint: problem.hint,
    cause: error,
  })
}

const CODES: Readonly<Record<string, 'REPOSITORY_INVALID' | 'REPOSITORY_UNAVAILABLE'>> = {
  CACHE_DENIED: 'REPOSITORY_UNAVAILABLE',
  CACHE_UNAVAILABLE: 'REPOSITORY_UNAVAILABLE',
  CACHE_INVALID: 'REPOSITORY_INVALID',
  PACKAGE_INVALID: 'REPOSITORY_INVALID',
}

/** What a storage fails with, as a failure of the repository; all else stays as it is. */
export function ofRepository(error: unknown, repository: string): unknown {
  const code = error instanceof MixosError ? CODES[error.code] : undefined
  if (!(error instanceof MixosError) || !code) return error
  const message = error.message.includes(repository)
    ? error.message
    : `${repository}: ${error.message}`
  const hint = error.hint ?? 'try again later, or use another mirror'
  return new MixosError(code, message, { hint, cause: error.cause })
}

interface Problem {
  readonly what: string
  readonly hint: string
}

export const MIRROR = 'use another mirror; the last good index stays in use'

function problemOf(error: Error, heard: Heard, now: number): Problem {
  const { known, offered } = heard
  const role = ORDER.findLast(name => offered.has(name)) ?? 'root'
  const head = offered.get(role)
  if (offered.has(role) && !head) {
    const what = /is missing/.test(error.message) ? 'is missing' : 'is not valid metadata'
    return {
      what: `${role}.json ${what}`,
      hint: `is this the address of a repository? else ${MIRROR}`,
    }
  }
  const expired = ORDER.flatMap(name => {
    const at = (offered.get(name) ?? known.get(name))?.expires
    return at !== undefined && Date.parse(at) <= now ? [{ name, at }] : []
  })[0]
  const { message } = error
  if (/expired/.test(message) && expired) {
    const today = new Date(now).toISOString().slice(0, 19)
    return {
      what: `${expired.name}.json expired at ${shown(expired.at)}, and it is ${today}Z here`,
      hint: `check the clock of this machine; if it is right, the repository is stale: ${MIRROR}`,
    }
  }
  if (/was signed by/.test(message)) {
    const by = head?.keyIds.map(shown).join(', ') || 'nobody'
    const root = Math.max(known.get('root')?.version ?? 0, offered.get('root')?.version ?? 0)
    return {
      what: `${role}.json is not signed by the key that root metadata ${root} names for it, but by ${by}`,
      hint: `this is not the repository that this system believes: ${MIRROR}`,
    }
  }
  const before = known.get(role)?.version
  const named = `${role}.json has version ${head?.version}`
  if (/is less than current/.test(message)) {
    const than =
      head && before !== undefined && head.version < before
        ? `${named}, version ${before} was seen before`
        : `${named}, but what it names is older than what was seen before: ${message}`
    return { what: than, hint: `somebody offers an old index: ${MIRROR}` }
  }
  if (/match|length|hash|version/i.test(message)) {
    return {
      what: `${role}.json is not the one that the rest of the index names: ${reason(message)}`,
      hint: `it may just be changing: try again; if that does not help, ${MIRROR}`,
    }
  }
  return { what: `${role}.json is not valid: ${reason(message)}`, hint: MIRROR }
}

const reason = (message: string): string =>
  shown(message.replace(/^Unable to load \w+ (metadata )?error (\w*Error: )?/, '')).slice(1, -1)
