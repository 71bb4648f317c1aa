/**
 * A path as a tag: `/` is written `-`, and `_` escapes itself and `-`, so that two paths never share a tag.
 * Throws Error for a path that is too long.
 */
export function tagOf(path: string): string {
  const tag = written(path)
  if (tag.length <= MAX_LENGTH) return tag
  throw new Error(
    `as a tag, ${path} has ${tag.length} characters, at most ${MAX_LENGTH} are allowed`,
  )
}

/** Undefined for a tag that no path has. */
export function pathOfTag(tag: string): string | undefined {
  const path = tag.replace(/_([-_])|-/g, (_, escaped: string | undefined) => escaped ?? '/')
  // An underscore may have escaped nothing.
  return tag.length <= MAX_LENGTH && written(path) === tag ? path : undefined
}

function written(path: string): string {
  return path.replace(/[-_/]/g, character => WRITTEN[character] as string)
}

const WRITTEN: Record<string, string> = { '/': '-', '-': '_-', _: '__' }
const MAX_LENGTH = 128
