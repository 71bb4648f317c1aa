import { TextDecoder } from 'node:util'
import { MixosError } from '../../../graph/error.ts'
import { isCount, isRecord } from '../../../graph/json.ts'
import type { StoredFile } from '../storage.ts'
import { isPath } from './path.ts'

const NEWLINE = 10
const LONGEST = 4096

/**
 * The files of a list: a line of JSON for each, with `path`, `size` and `modified`, then a last one with `files`, their
 * number. Throws CACHE_INVALID for what is none, for a file that does not begin with `prefix`, and where the number is
 * missing or another: what a list lacks would count as deleted.
 */
export function filesIn(
  list: Uint8Array,
  { prefix, name }: { prefix: string; name: string },
): StoredFile[] {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const files: StoredFile[] = []
  let count: number | undefined
  for (let at = 0; at < list.length; ) {
    const newline = list.indexOf(NEWLINE, at)
    const end = newline < 0 ? list.length : newline
    const line = end - at > LONGEST ? undefined : parsed(list.subarray(at, end), decoder)
    at = end + 1
    if (at >= list.length) count = countOf(line)
    if (count !== undefined) break
    const file = fileOf(line)
    if (!file?.path.startsWith(prefix)) {
      const what = `line ${files.length + 1} of the list of ${name}`
      throw new MixosError('CACHE_INVALID', `${what} is no file below ${JSON.stringify(prefix)}`)
    }
    files.push(file)
  }
  if (count === files.length) return files
  const said = count === undefined ? 'without saying that these are all' : `and says ${count}`
  throw new MixosError('CACHE_INVALID', `the list of ${name} has ${files.length} files ${said}`)
}

function parsed(line: Uint8Array, decoder: TextDecoder): unknown {
  try {
    return JSON.parse(decoder.decode(line))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}

function countOf(line: unknown): number | undefined {
  return isRecord(line) && isCount(line.files) ? line.files : undefined
}

function fileOf(line: unknown): StoredFile | undefined {
  if (!isRecord(line)) return undefined
  const { path, size, modified } = line
  const isFile = typeof path === 'string' && isPath(path) && isCount(size) && isCount(modified)
  return isFile ? { path, size, modified } : undefined
}
