import { grown } from '../grown.ts'
import { FileTooLarge } from '../storage.ts'

/** What to take of a body. */
export interface BodyPart {
  readonly offset: number
  /** The most bytes from there on. */
  readonly length: number
  /** What it means that there are more: the answer is wrong, or the rest is not wanted. */
  readonly more: 'wrong' | 'unwanted'
}

export interface Body {
  /** `enough` where what follows is not wanted. Throws CACHE_INVALID where there must not be more. */
  take(chunk: Uint8Array): 'on' | 'enough'
  /** Says what is missing when no more comes; undefined where nothing is. */
  missing(): string | undefined
  bytes(): Uint8Array
}

/**
 * Gathers the part of a body. Only what is kept takes memory, whatever comes. Throws CACHE_INVALID where
 * `size`, the length announced, is too much already.
 */
export function bodyOf(
  { offset, length, more }: BodyPart,
  { size, name }: { size: number | undefined; name: string },
): Body {
  const end = offset + length
  if (more === 'wrong' && size !== undefined && size > end) throw tooMuch(`${size} bytes`)
  const kept =
    size === undefined ? growing(length) : filled(Math.max(0, Math.min(size, end) - offset))
  let position = 0
  return {
    take: chunk => {
      const from = Math.max(0, offset - position)
      const to = Math.min(chunk.length, end - position)
      if (to > from) kept.add(chunk.subarray(from, to))
      position += chunk.length
      if (position <= end) return 'on'
      if (more === 'wrong') throw tooMuch(`at least ${position} bytes`)
      return 'enough'
    },
    missing: () =>
      size === undefined || position >= size
        ? undefined
        : `the answer ended after ${position} of ${size} bytes`,
    bytes: () => kept.bytes(),
  }

  function tooMuch(found: string): FileTooLarge {
    return new FileTooLarge(`${name} has ${found}, not at most ${end}`)
  }
}

interface Kept {
  /** Copies, since a chunk may be part of a much larger buffer. */
  add(part: Uint8Array): void
  bytes(): Uint8Array
}

/** In one buffer, however small the chunks are: each of its own would take a hundred times its bytes. */
function growing(most: number): Kept {
  let data: Buffer = Buffer.alloc(0)
  let length = 0
  return {
    add: part => {
      const end = length + part.length
      if (end > data.length) data = grown(data, { length: end, most })
      data.set(part, length)
      length = end
    },
    bytes: () => data.subarray(0, length),
  }
}

function filled(size: number): Kept {
  const data = Buffer.allocUnsafe(size)
  let length = 0
  return {
    add: part => {
      data.set(part, length)
      length += part.length
    },
    bytes: () => data.subarray(0, length),
  }
}
