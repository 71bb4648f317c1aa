import { MixosError } from '../../../graph/error.ts'

const PART = '[a-z0-9_-][a-z0-9._-]*'
const PATH = new RegExp(`^${PART}(/${PART})*$`)
const PREFIX = new RegExp(`^(${PART}/)*(${PART})?$`)

/**
 * Throws CACHE_INVALID for what is no path of a cache, above all what would lead out of it: an absolute
 * path, `..`, a hidden name, what a server would decode.
 */
export function checkPath(path: string): void {
  if (!isPath(path)) throw new MixosError('CACHE_INVALID', `${quoted(path)} is no path of a cache`)
}

/** The same for the beginning of paths, which may end anywhere. */
export function checkPrefix(prefix: string): void {
  if (PREFIX.test(prefix)) return
  throw new MixosError('CACHE_INVALID', `${quoted(prefix)} begins no path of a cache`)
}

export function isPath(path: string): boolean {
  return PATH.test(path)
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 200))
