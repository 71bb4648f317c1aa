/**
 * Debian's order of versions, `[epoch:]upstream[-revision]`: negative where `a` is older, 0 where they are
 * equal. See deb-version(7).
 */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [split(a), split(b)]
  return (
    x.epoch - y.epoch ||
    compareParts(x.upstream, y.upstream) ||
    compareParts(x.revision, y.revision)
  )
}

/** The part of a version that upstream gave. */
export function upstreamOf(version: string): string {
  return split(version).upstream
}

function split(version: string) {
  const colon = version.indexOf(':')
  const epoch = colon < 0 ? 0 : Number(version.slice(0, colon))
  const rest = version.slice(colon + 1)
  const dash = rest.lastIndexOf('-')
  if (dash < 0) return { epoch, upstream: rest, revision: '' }
  return { epoch, upstream: rest.slice(0, dash), revision: rest.slice(dash + 1) }
}

/** Compares runs of other characters and runs of digits by turns. */
function compareParts(a: string, b: string): number {
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a[i])) || (j < b.length && !isDigit(b[j]))) {
      const difference = weight(a[i]) - weight(b[j])
      if (difference !== 0) return difference
      i++
      j++
    }
    const [x, y] = [digitsAt(a, i), digitsAt(b, j)]
    const difference = compareNumbers(x, y)
    if (difference !== 0) return difference
    i += x.length
    j += y.length
  }
  return 0
}

const isDigit = (character: string | undefined): boolean =>
  character !== undefined && character >= '0' && character <= '9'

/** A tilde comes before the end, the end before letters, letters before the rest. */
function weight(character: string | undefined): number {
  if (character === '~') return -1
  if (character === undefined || isDigit(character)) return 0
  return /[a-zA-Z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 256
}

function digitsAt(text: string, start: number): string {
  let end = start
  while (isDigit(text[end])) end++
  return text.slice(start, end)
}

// Dates and commit counts may exceed what a number holds exactly.
function compareNumbers(a: string, b: string): number {
  const [x, y] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  if (x.length !== y.length) return x.length - y.length
  return x < y ? -1 : Number(x > y)
}
