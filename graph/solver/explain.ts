import { formatRequirement } from '../version-range.ts'
import type { Incompatibility } from './incompatibility.ts'
import { describeFact, describeTerms, joined } from './words.ts'

/** Why there is no solution, in words: what cannot be, then a line for each step that leads there. */
export function explain(failure: Incompatibility): string {
  const conclusion = conclusionOf(failure)
  const lines = failure.cause.kind === 'derived' ? linesOf(stepsOf(failure), conclusion) : []
  return [conclusion, ...abridged(lines)].join('\n  ')
}

/** What gets a line of its own, and what it is drawn from. */
interface Step {
  readonly drawn: Incompatibility
  readonly from: readonly Incompatibility[]
}

/** What is derived, each once and after what it is derived from. Not recursive: derivations can be deep. */
function derivedBelow(failure: Incompatibility): readonly Incompatibility[] {
  const ordered = new Set<Incompatibility>()
  const stack = [failure]
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const waiting = causesOf(top).filter(cause => isDerived(cause) && !ordered.has(cause))
    // The last one pushed is done first, so that the first cause comes to stand right before what follows from it.
    if (waiting.length > 0 && !ordered.has(top)) stack.push(...waiting)
    else ordered.add(stack.pop() as Incompatibility)
  }
  return [...ordered]
}

const causesOf = ({ cause }: Incompatibility): readonly Incompatibility[] =>
  cause.kind === 'derived' ? cause.from : []

const isDerived = ({ cause }: Incompatibility): boolean => cause.kind === 'derived'

/**
 * A step for each derivation. But where two in a row only add one fact each, one step adds both: half as many lines
 * are easier to follow.
 */
function stepsOf(failure: Incompatibility): readonly Step[] {
  const derived = derivedBelow(failure)
  const uses = new Map<Incompatibility, number>()
  for (const cause of derived.flatMap(causesOf)) uses.set(cause, (uses.get(cause) ?? 0) + 1)
  const steps = new Map<Incompatibility, Step>()
  for (const drawn of derived) {
    const from = causesOf(drawn).flatMap(cause => {
      const before = steps.get(cause)
      const isMerged =
        before?.from.length === 2 &&
        uses.get(cause) === 1 &&
        before.from.some(isDerived) !== before.from.every(isDerived) &&
        !causesOf(drawn).every(isDerived)
      if (!before || !isMerged) return [cause]
      steps.delete(cause)
      return before.from
    })
    steps.set(drawn, { drawn, from })
  }
  return [...steps.values()]
}

/** Each line says what follows; a conclusion that is used later than in the next line gets a number. */
function linesOf(steps: readonly Step[], conclusion: string): readonly string[] {
  const place = new Map(steps.map(({ drawn }, index) => [drawn, index]))
  const isFar = (cause: Incompatibility, index: number) => (place.get(cause) ?? index) < index - 1
  const far = new Set(steps.flatMap(({ from }, index) => from.filter(cause => isFar(cause, index))))
  const numbered = steps.map(({ drawn }) => drawn).filter(drawn => far.has(drawn))
  const numberOf = (drawn: Incompatibility) =>
    far.has(drawn) ? ` (${numbered.indexOf(drawn) + 1})` : ''

  return steps.flatMap(({ drawn, from }, index) => {
    const isEnd = drawn.terms.size === 0
    const reasons = from
      .filter(cause => place.get(cause) !== index - 1 && !(isEnd && isPlainRequest(cause)))
      .reverse()
      .sort((a, b) => Number(leadsTo(b, a)) - Number(leadsTo(a, b)))
      .map(cause => describe(cause) + numberOf(cause))
    const follows = from.some(cause => place.get(cause) === index - 1)
    if (isEnd && reasons.length === 0) return []
    const because = `${follows ? 'and ' : ''}because ${joined(reasons, 'and')}`
    return [`${because}, ${isEnd ? conclusion : describeTerms(drawn)}${numberOf(drawn)}`]
  })
}

function describe(cause: Incompatibility): string {
  return cause.cause.kind === 'derived' ? describeTerms(cause) : describeFact(cause.cause)
}

/** "a depends on b" is better said before "b depends on c". */
function leadsTo({ cause: a }: Incompatibility, { cause: b }: Incompatibility): boolean {
  return 'on' in a && 'dependent' in b && a.on === b.dependent
}

/** That a package is asked for at all needs no reason at the end: the conclusion names it. */
function isPlainRequest({ cause }: Incompatibility): boolean {
  return cause.kind === 'request' && cause.requirement.constraints.length === 0
}

/** Names what was asked for and plays a part. */
function conclusionOf(failure: Incompatibility): string {
  const { cause } = failure
  if (cause.kind === 'request') return describeFact(cause)
  const asked = derivedBelow(failure)
    .flatMap(causesOf)
    .flatMap(({ cause }) =>
      cause.kind === 'request' ? [formatRequirement(cause.requirement)] : [],
    )
  const names = [...new Set(asked)].sort()
  return `${joined(names, 'and')} cannot be installed${names.length > 1 ? ' together' : ''}`
}

const LONGEST = 60

/** The end is what matters most: it says what the rest was for. */
function abridged(lines: readonly string[]): readonly string[] {
  if (lines.length <= LONGEST) return lines
  return [`(${lines.length - LONGEST} steps before these)`, ...lines.slice(-LONGEST)]
}
