/**
 * Negative if `a` is older than `b`, positive if it is newer, 0 if both are one version.
 *
 * A version is read as a row of pieces: numbers (runs of digits) and words (runs of letters). All other characters
 * only separate. The first piece that differs decides; numbers compare as numbers of any length, words by their
 * letters. Where the pieces are of different kinds, or one version ends, the order is
 *
 *     the words dev < alpha < beta < pre, preview < rc    1.0rc1 is before 1.0
 *     the end                                             1.0
 *     a number after `-`, `+` or `_`                      6.5+20250216 is after 6.5
 *     any other word                                      9.9p1 is after 9.9, 3.5a after 3.5, 2026f after 2026
 *     a number after `.` or without a separator           1.0.1 is after all of these
 *
 * So 3.5a is newer than 3.5: single letters follow a release, and an early one is spelled out, as in 3.5alpha.
 *
 * Three things do not count: leading zeros (1.02 is 1.2), upper case (1.0RC1 is 1.0rc1), and zeros that end a row
 * of numbers (1.0.0 is 1.0 and 1). Any two texts can be compared, and sorting by this is well defined.
 */
export function compareVersions(a: string, b: string): number {
  const left = piecesOf(a)
  const right = piecesOf(b)
  for (let i = 0; i < left.length || i < right.length; i++) {
    const order = comparePieces(left[i] ?? END, right[i] ?? END)
    if (order !== 0) return order
  }
  return 0
}

/** The numbers joined by dots that a version begins with, without leading zeros: `1`, `0` and `10` of `1.00.10-rc1`. */
export function leadingNumbers(version: string): readonly string[] {
  const row = version.match(/^[0-9]+(?:\.[0-9]+)*/)?.[0]
  return row?.split('.').map(digits => withoutZeros(digits) || '0') ?? []
}

interface Piece {
  readonly rank: number
  /** Lower case; a number is without leading zeros, so that zero is the empty text. */
  readonly text: string
}

const EARLY = ['dev', 'alpha', 'beta', 'pre', 'rc']
const END: Piece = { rank: EARLY.length, text: '' }
const SUFFIX = END.rank + 1
const WORD = END.rank + 2
const NUMBER = END.rank + 3

function piecesOf(version: string): readonly Piece[] {
  const pieces: Piece[] = []
  for (const { 0: run, index } of version.matchAll(/[0-9]+|[a-z]+/gi)) {
    const piece = isDigits(run)
      ? { rank: isSuffix(version, index) ? SUFFIX : NUMBER, text: withoutZeros(run) }
      : wordOf(run.toLowerCase())
    if (piece.rank !== NUMBER) dropZeros(pieces)
    pieces.push(piece)
  }
  dropZeros(pieces)
  return pieces
}

const isDigits = (run: string): boolean => /^[0-9]/.test(run)

const withoutZeros = (digits: string): string => digits.replace(/^0+/, '')

function isSuffix(version: string, index: number): boolean {
  return index > 0 && !/[0-9a-z.]/i.test(version.charAt(index - 1))
}

function wordOf(letters: string): Piece {
  const early = EARLY.indexOf(letters === 'preview' ? 'pre' : letters)
  return early < 0 ? { rank: WORD, text: letters } : { rank: early, text: '' }
}

function dropZeros(pieces: Piece[]): void {
  while (pieces.at(-1)?.rank === NUMBER && pieces.at(-1)?.text === '') pieces.pop()
}

function comparePieces(a: Piece, b: Piece): number {
  if (a.rank !== b.rank) return a.rank - b.rank
  // Without leading zeros the longer number is the greater one; words compare by their letters alone.
  if (a.rank !== WORD && a.text.length !== b.text.length) return a.text.length - b.text.length
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0
}
