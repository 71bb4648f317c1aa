import type { Key } from 'openpgp'
import { MixosError } from '../../../graph/error.ts'
import { checksums, stanzas } from './control.ts'

/** The signed head of a Debian archive. */
export interface Release {
  /** When it was made, in milliseconds since the epoch. */
  readonly date: number
  /** The index files by their path below the suite. */
  readonly files: ReadonlyMap<string, { readonly hash: `sha256:${string}`; readonly size: number }>
}

export interface Trust {
  /** Of primary keys; one good signature by any of them, or by a subkey of it, is needed. */
  readonly fingerprints: readonly string[]
  /** Key rings from anywhere: only keys with one of those fingerprints are used. */
  readonly keyRings: readonly Buffer[]
  readonly suite: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

/**
 * Reads an `InRelease` file, which is signed in clear. Nothing of it is read before the signature is
 * verified, and only the signed text is. Throws SIGNATURE_INVALID, naming the keys found and the keys
 * trusted, also where it has expired or is of another suite.
 */
export async function verifyRelease(text: string, trust: Trust): Promise<Release> {
  const signed = await signedText(text, trust)
  const release = parseRelease(signed)
  const refuse = (problem: string) =>
    invalid(
      `the index of ${trust.suite} ${problem}`,
      'name another mirror in $XDG_CONFIG_HOME/mixos/mirrors.json',
    )
  if (release.codename !== trust.suite)
    throw refuse(`is that of ${JSON.stringify(release.codename)}`)
  if (Number.isNaN(release.date) || release.files.size === 0)
    throw refuse('has no date or no files')
  if (!(release.validUntil > trust.now)) throw refuse(`expired: it is valid until ${release.until}`)
  return release
}

async function signedText(text: string, trust: Trust): Promise<string> {
  // The one import of this package, loaded when first used.
  const { readCleartextMessage, verify } = await import('openpgp')
  const keys = await trustedKeys(trust)
  try {
    const message = await readCleartextMessage({ cleartextMessage: text })
    const date = new Date(trust.now)
    const { data, signatures } = await verify({ message, verificationKeys: keys, date })
    const results = await Promise.allSettled(signatures.map(signature => signature.verified))
    if (results.some(result => result.status === 'fulfilled')) return data
    const found = signatures.map(({ keyID }) => keyID.toHex().toUpperCase())
    throw unsigned(trust, found.length === 0 ? 'by nobody' : `by ${found.join(', ')}`, results)
  } catch (error) {
    if (error instanceof MixosError) throw error
    throw unsigned(trust, `in a form that cannot be read: ${(error as Error).message}`, error)
  }
}

async function trustedKeys({ keyRings, fingerprints, suite }: Trust): Promise<Key[]> {
  const { readKeys } = await import('openpgp')
  const found: Key[] = []
  for (const binaryKeys of keyRings) {
    found.push(...(await readKeys({ binaryKeys }).catch(() => [])))
  }
  const names = found.map(key => key.getFingerprint().toUpperCase())
  const trusted = found.filter((_, index) => fingerprints.includes(names[index] as string))
  if (trusted.length > 0) return trusted
  throw invalid(
    `no key to verify the index of ${suite} with: expected ${fingerprints.join(' or ')}, found ${names.join(', ') || 'none'}`,
    KEYS,
  )
}

const KEYS = 'if the archive has a new key, check its fingerprint and add it to configs/pins.ts'

function unsigned({ suite, fingerprints }: Trust, how: string, cause: unknown): MixosError {
  const wanted = fingerprints.join(' or ')
  return invalid(
    `the index of ${suite} is signed ${how}, expected a good signature by ${wanted}`,
    KEYS,
    cause,
  )
}

function invalid(message: string, hint: string, cause?: unknown): MixosError {
  return new MixosError('SIGNATURE_INVALID', message, { hint, cause })
}

function parseRelease(text: string) {
  const [fields = {}] = stanzas(text, ['Codename', 'Date', 'Valid-Until', 'SHA256'])
  const until = fields['Valid-Until']
  return {
    codename: fields.Codename,
    date: Date.parse(fields.Date ?? ''),
    // A stable release has none.
    validUntil: until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until),
    until,
    files: checksums(fields.SHA256 ?? ''),
  }
}
