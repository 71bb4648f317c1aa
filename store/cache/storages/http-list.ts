import { TextDecoder } from 'node:util'
import { MixosError } from '../../../graph/error.ts'
import type { StoredFile } from '../storage.ts'
import { isPath } from './path.ts'

const NEWLINE = 10
const LONGEST = 4096

/**
 * The files of a list: a line of JSON for each, with `path`, `size` and `modified`. Throws CACHE_INVALID for
 * what is none, and for a file that does not begin with `prefix`.
 */
export function* filesIn(
  list: Uint8Array,
  { prefix, name }: { prefix: string; name: string },
): Generator<StoredFile> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  for (let at = 0, number = 1; at < list.length; number++) {
    const newline = list.indexOf(NEWLINE, at)
    const end = newline < 0 ? list.length : newline
    const file = end - at > LONGEST ? undefined : fileOf(list.subarray(at, end), decoder)
    if (!file?.path.startsWith(prefix)) {
      throw new MixosError(
        'CACHE_INVALID',
        `line ${number} of the list of ${name} is no file below ${JSON.stringify(prefix)}`,
      )
    }
    yield file
    at = end + 1
  }
}

function fileOf(line: Uint8Array, decoder: TextDecoder): StoredFile | undefined {
  const value = parsed(line, decoder)
  if (typeof value !== 'object' || value === null) return undefined
  const { path, size, modified } = value as Record<string, unknown>
  const isFile = typeof path === 'string' && isPath(path) && isCount(size) && isCount(modified)
  return isFile ? { path, size, modified } : undefined
}

function parsed(line: Uint8Array, decoder: TextDecoder): unknown {
  try {
    return JSON.parse(decoder.decode(line))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
