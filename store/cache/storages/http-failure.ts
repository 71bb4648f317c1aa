import { MixosError } from '../../../graph/error.ts'

/** A URL for messages. Its query may be a signature that lets others in, so it is left out. */
export function nameOf(url: URL): string {
  return url.origin + url.pathname
}

export function unavailable(url: URL, reason: string, cause?: unknown): MixosError {
  const hint = UNKNOWN_ISSUER.has(codeOf(cause))
    ? 'for a certificate of your own, set MIXOS_CACHE_CA to a PEM file with it or with its authority'
    : undefined
  return new MixosError('CACHE_UNAVAILABLE', `${nameOf(url)}: ${reason}`, { hint, cause })
}

/** By OpenSSL: the chain ends at nobody that this machine knows. */
const UNKNOWN_ISSUER: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** Node wraps the failures of all addresses of a host into one error. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message || codeOf(error) : String(error)
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? ''
}
