export interface Part {
  readonly offset: number
  readonly length: number
}

/**
 * The bytes that a Range header asks for, of so many. Undefined stands for all of them: also for several
 * ranges and for what is no range, which a server may answer so.
 */
export function parseRange(header: string | undefined, size: number): Part | 'none' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'none' : { offset: size - length, length }
  }
  const offset = Number(first)
  const end = last === '' ? size : Number(last) + 1
  if (end <= offset && last !== '') return undefined
  return offset >= size ? 'none' : { offset, length: Math.min(end, size) - offset }
}
