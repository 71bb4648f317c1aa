import { MixosError } from './error.ts'
import { shown } from './shown.ts'
import { isName } from './store-path.ts'
import { compareVersions, leadingNumbers } from './version.ts'

/** A package by name, and which of its versions fit: those that keep every constraint, or all if there is none. */
export interface Requirement {
  readonly name: string
  readonly constraints: readonly Constraint[]
}

export interface Constraint {
  /** `~1.2.3` is 1.2.3 and what is newer in the series 1.2; see `isInSeries`. */
  readonly operator: Operator
  readonly version: string
}

export type Operator = (typeof OPERATORS)[number]

/** Longest first: `<=` is not `<` and then `=`. */
export const OPERATORS = ['!=', '<=', '>=', '=', '<', '>', '~'] as const

const LONGEST = 1000

/**
 * Reads `name`, or `name` and constraints joined by commas: `openssl>=3.0,<4`. Spaces and tabs may stand at both
 * ends and around operators and commas. Throws PACKAGE_INVALID with the text and what is wrong with it.
 */
export function parseRequirement(text: string): Requirement {
  if (text.length > LONGEST) {
    throw invalid(text, `it has ${text.length} characters, of at most ${LONGEST}`)
  }
  const trimmed = text.replace(/^[ \t]+|[ \t]+$/g, '')
  const start = trimmed.search(/[ \t!<>=~,]/)
  const name = start < 0 ? trimmed : trimmed.slice(0, start)
  if (!isName(name)) throw invalid(text, `${shown(name)} is not the name of a package`)
  const rest = trimmed.slice(name.length).replace(/^[ \t]+/, '')
  const constraints = rest === '' ? [] : rest.split(',').map(part => parseConstraint(part, text))
  return { name, constraints }
}

/** The shortest text that `parseRequirement` reads as the same. */
export function formatRequirement({ name, constraints }: Requirement): string {
  return name + constraints.map(({ operator, version }) => operator + version).join(',')
}

/** True if this version of the package fits. */
export function matches({ constraints }: Requirement, version: string): boolean {
  return constraints.every(constraint => keeps(version, constraint))
}

function parseConstraint(part: string, text: string): Constraint {
  const constraint = part.replace(/^[ \t]+|[ \t]+$/g, '')
  const operator = OPERATORS.find(known => constraint.startsWith(known))
  if (operator === undefined) {
    throw invalid(text, `expected one of ${OPERATORS.join(' ')}, got ${shown(constraint)}`)
  }
  const version = constraint.slice(operator.length).replace(/^[ \t]+/, '')
  if (!isName(version)) {
    throw invalid(text, `expected a version after ${operator}, got ${shown(version)}`)
  }
  if (operator === '~' && !/^[0-9]/.test(version)) {
    throw invalid(text, `expected a version that begins with a number after ~, got "${version}"`)
  }
  return { operator, version }
}

function keeps(version: string, { operator, version: wanted }: Constraint): boolean {
  const order = compareVersions(version, wanted)
  if (operator === '=') return order === 0
  if (operator === '!=') return order !== 0
  if (operator === '<') return order < 0
  if (operator === '<=') return order <= 0
  if (operator === '>') return order > 0
  return order >= 0 && (operator === '>=' || isInSeries(version, wanted))
}

/**
 * The series of a version is what it begins with: its numbers up to the first other piece, without the last one
 * unless it is the only one. So the series of 1.2.3 is 1.2, that of 1.2 and of 9.9p1 is 1 and 9, and that of 1
 * and of 2026f is 1 and 2026. A version is in a series if it begins with the same numbers; 2.0rc1 is not in 1.
 */
function isInSeries(version: string, of: string): boolean {
  const wanted = leadingNumbers(of)
  const got = leadingNumbers(version)
  const series = wanted.slice(0, Math.max(1, wanted.length - 1))
  return got.length > 0 && series.every((number, index) => number === (got[index] ?? '0'))
}

function invalid(text: string, problem: string): MixosError {
  return new MixosError('PACKAGE_INVALID', `requirement ${shown(text)}: ${problem}`, {
    hint: 'write a name and which versions fit, such as openssl or openssl>=3.0,<4',
  })
}
