import { MixosError } from '../../../graph/error.ts'

/** A URL for messages. Its query may be a signature that lets others in, so it is left out. */
export function nameOf(url: URL): string {
  return url.origin + url.pathname
}

export function unavailable(url: URL, reason: string, cause?: unknown): MixosError {
  return new MixosError('CACHE_UNAVAILABLE', `${nameOf(url)}: ${reason}`, { cause })
}

/** Node wraps the failures of all addresses of a host into one error. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message || codeOf(error) : String(error)
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? ''
}
