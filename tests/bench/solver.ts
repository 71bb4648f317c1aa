// Run by hand: node tests/bench/solver.ts
// What it takes to choose packages, or to find out that there is no choice, for indexes of several shapes.
// In processor time, so that others on the machine matter less.
import { MixosError } from '../../graph/error.ts'
import { type Candidate, type Problem, solve } from '../../graph/solver.ts'
import { parseRequirement } from '../../graph/version-range.ts'

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i)

function indexOf(
  names: number,
  versions: number,
  dependenciesOf: (name: number, version: number) => readonly string[],
): readonly Candidate[] {
  return range(names).flatMap(name =>
    range(versions).map(version => ({
      name: `p${name}`,
      version: `${version + 1}.0`,
      dependencies: dependenciesOf(name, version + 1),
    })),
  )
}

/** The same numbers each time. */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return sides => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return Math.floor(state / 65536) % sides
  }
}

/** Like a real index: each depends on a few others, mostly without a range. */
function distribution(names: number, versions: number): readonly Candidate[] {
  const roll = dice(1)
  return indexOf(names, versions, (name, version) =>
    range(Math.min(name, roll(5))).map(() => {
      const on = `p${roll(name)}`
      return roll(3) > 0 ? on : `${on}>=${Math.max(1, version - roll(3))}`
    }),
  )
}

/** Dependencies of chance, rarely satisfied all at once. */
function tangle(names: number, versions: number, seed: number): readonly Candidate[] {
  const roll = dice(seed)
  const operators = ['>=', '<=', '=', '!=', '']
  return indexOf(names, versions, () =>
    range(1 + roll(3)).map(() => {
      const operator = operators[roll(operators.length)] ?? ''
      return `p${roll(names)}${operator}${operator && 1 + roll(versions)}`
    }),
  )
}

/** Each version of one needs exactly that version of the next, and the last needs another one of the first. */
function chain(names: number, versions: number): readonly Candidate[] {
  return indexOf(names, versions, (name, version) => [
    name < names - 1 ? `p${name + 1}=${version}` : `p0!=${version}`,
  ])
}

/** More packages than places: each one needs a place of its own, and there is one too few. */
function pigeons(count: number): readonly Candidate[] {
  const pigeon = range(count).flatMap(name =>
    range(count - 1).map(place => ({
      name: `p${name}`,
      version: `${place + 1}`,
      dependencies: [`place${place}=${name + 1}`],
    })),
  )
  const places = range(count - 1).flatMap(place =>
    range(count).map(name => ({ name: `place${place}`, version: `${name + 1}`, dependencies: [] })),
  )
  return [...pigeon, ...places]
}

const all = (count: number) => range(count).map(name => `p${name}`)
const tangled = (seed: number): Problem => problem(tangle(60, 8, seed), all(6))

function problem(packages: readonly Candidate[], requests: readonly string[]): Problem {
  return { packages, requests: requests.map(parseRequirement) }
}

const problems: Readonly<Record<string, () => Problem>> = {
  '40 packages, 1 version, all asked for': () => problem(distribution(40, 1), all(40)),
  '1,000 packages, 5 versions, 1 asked for': () => problem(distribution(1000, 5), ['p999']),
  '1,000 packages, 5 versions, all asked for': () => problem(distribution(1000, 5), all(1000)),
  '20,000 packages, 5 versions, 1 asked for': () => problem(distribution(20_000, 5), ['p19999']),
  '1 package, 2,000 versions': () =>
    problem(
      indexOf(1, 2000, () => []),
      ['p0'],
    ),
  'a chain of 5,000': () =>
    problem(
      indexOf(5000, 2, name => (name < 4999 ? [`p${name + 1}`] : [])),
      ['p0'],
    ),
  'a chain of 50 that contradicts itself, 20 versions': () => problem(chain(50, 20), ['p0']),
  'a chain of 500 that contradicts itself, 20 versions': () => problem(chain(500, 20), ['p0']),
  '5 pigeons, 4 places': () => problem(pigeons(5), all(5)),
  '7 pigeons, 6 places': () => problem(pigeons(7), all(7)),
  '9 pigeons, 8 places': () => problem(pigeons(9), all(9)),
  ...Object.fromEntries(
    range(8).map(seed => [`a tangle of 60 packages, ${seed}`, () => tangled(seed)]),
  ),
}

for (const [name, make] of Object.entries(problems)) {
  const given = make()
  const before = process.cpuUsage()
  const answer = answerTo(given)
  const { user, system } = process.cpuUsage(before)
  const milliseconds = ((user + system) / 1000).toFixed(1).padStart(9)
  console.log(`${milliseconds} ms  ${name}: ${answer}`)
}

function answerTo(given: Problem): string {
  try {
    return `${solve(given).length} chosen`
  } catch (error) {
    if (!(error instanceof MixosError)) throw error
    const lines = error.message.split('\n').length
    return `${error.code} in ${lines} lines, ${error.message.length} characters`
  }
}
