import test from 'ava'
import fc from 'fast-check'
import type { MixosError } from '../../graph/error.ts'
import type { Incompatibility } from '../../graph/solver/incompatibility.ts'
import { search } from '../../graph/solver/search.ts'
import { type Package, universeOf } from '../../graph/solver/universe.ts'
import { type Candidate, solve } from '../../graph/solver.ts'
import { matches, parseRequirement, type Requirement } from '../../graph/version-range.ts'
import { labelOf, packagesOf } from '../helpers/packages.ts'

interface Case {
  readonly packages: readonly Candidate[]
  readonly requests: readonly string[]
  readonly installed?: readonly string[]
}

function solved({ packages, requests, installed = [] }: Case): string {
  const chosen = solve({
    packages,
    requests: requests.map(parseRequirement),
    installed: packagesOf(...installed),
  })
  return chosen.map(labelOf).join(', ')
}

function refused(problem: Case): MixosError {
  try {
    return new Error(`solved: ${solved(problem)}`) as MixosError
  } catch (error) {
    return error as MixosError
  }
}

const web = packagesOf(
  'nginx 1.24: pcre2',
  'nginx 1.26: pcre2>=10.40; openssl>=3.0',
  'pcre2 10.30',
  'pcre2 10.42',
  'openssl 1.1.1w',
  'openssl 3.5.4',
  'tmux 3.5a: libevent',
)

test('the newest versions are chosen, with what they depend on and nothing else', t => {
  t.is(solved({ packages: web, requests: ['nginx'] }), 'nginx 1.26, openssl 3.5.4, pcre2 10.42')
  t.is(solved({ packages: web, requests: [] }), '')
})

test('a request chooses among versions', t => {
  t.is(solved({ packages: web, requests: ['nginx<1.26'] }), 'nginx 1.24, pcre2 10.42')
  t.is(solved({ packages: web, requests: ['nginx', 'pcre2=10.30'] }), 'nginx 1.24, pcre2 10.30')
})

test('several requests of one name all hold', t => {
  t.is(solved({ packages: web, requests: ['openssl>=1', 'openssl<3'] }), 'openssl 1.1.1w')
})

test('what is installed stays where it can', t => {
  const installed = ['nginx 1.24', 'pcre2 10.30']
  t.is(
    solved({ packages: web, requests: ['nginx', 'openssl'], installed }),
    'nginx 1.24, openssl 3.5.4, pcre2 10.30',
  )
})

test('what is installed gives way to what is asked for', t => {
  const installed = ['nginx 1.24', 'pcre2 10.30']
  t.is(
    solved({ packages: web, requests: ['nginx>=1.26'], installed }),
    'nginx 1.26, openssl 3.5.4, pcre2 10.42',
  )
})

test('what was only installed as a dependency goes when nothing depends on it', t => {
  t.is(
    solved({ packages: web, requests: ['openssl'], installed: ['pcre2 10.30'] }),
    'openssl 3.5.4',
  )
})

test('an installed version that is nowhere to be had is replaced', t => {
  t.is(
    solved({ packages: web, requests: ['openssl'], installed: ['openssl 3.0'] }),
    'openssl 3.5.4',
  )
})

test('what was asked for is the newest, even where its dependencies then are not', t => {
  const packages = packagesOf('a 1: b', 'a 2: b<2', 'b 1', 'b 2')
  t.is(solved({ packages, requests: ['a'] }), 'a 2, b 1')
})

test('packages may depend on each other and on themselves', t => {
  const packages = packagesOf('a 1: b', 'b 1: a; b', 'c 1: c>=2', 'c 2: c<2', 'c 3: c>=3')
  t.is(solved({ packages, requests: ['a'] }), 'a 1, b 1')
  t.is(solved({ packages, requests: ['c'] }), 'c 3')
  t.regex(refused({ packages, requests: ['c<3'] }).message, /c 1 depends on c>=2/)
})

test('what is wrong with other packages and other versions never blocks', t => {
  const packages = [
    ...web,
    ...packagesOf('broken 1: >>', 'lost 1: nowhere', 'nginx 1.27: nowhere', 'nginx 1.28: a b'),
  ]
  t.is(solved({ packages, requests: ['nginx'] }), 'nginx 1.26, openssl 3.5.4, pcre2 10.42')
})

test('of two packages with one version the first one counts', t => {
  const packages = packagesOf('a 1: b', 'a 1.0', 'b 1')
  t.is(solved({ packages, requests: ['a'] }), 'a 1, b 1')
  t.is(solved({ packages: packages.toReversed(), requests: ['a'] }), 'a 1.0')
})

test('what is returned is what was given', t => {
  const [nginx] = packagesOf('nginx 1.26')
  t.is(solve({ packages: nginx ? [nginx] : [], requests: [parseRequirement('nginx')] })[0], nginx)
})

test('names of objects are names like others', t => {
  const packages = packagesOf(
    'constructor 1: hasOwnProperty',
    'hasOwnProperty 2: toString',
    'toString 3',
  )
  t.is(
    solved({ packages, requests: ['constructor'] }),
    'constructor 1, hasOwnProperty 2, toString 3',
  )
  t.is(refused({ packages, requests: ['valueOf'] }).code, 'PACKAGE_UNKNOWN')
})

test('an unknown name is refused with the nearest one', t => {
  t.like(refused({ packages: web, requests: ['nginx', 'opensssl>=3'] }), {
    code: 'PACKAGE_UNKNOWN',
    message: 'unknown package "opensssl"',
    hint: 'did you mean openssl?',
  })
  t.regex(refused({ packages: web, requests: ['a'] }).hint ?? '', /mix search$/)
  t.regex(refused({ packages: [], requests: ['a'] }).hint ?? '', /mix update$/)
})

// What is asked for, and what is answered.
const explained: readonly (readonly [string, Case, readonly string[]])[] = [
  [
    'a range that nothing fits',
    { packages: web, requests: ['nginx>=2'] },
    ['nginx>=2 is asked for (there is only nginx 1.26 and 1.24)'],
  ],
  [
    'two requests that exclude each other',
    { packages: web, requests: ['nginx>=1.26', 'nginx<1.26'] },
    [
      'nginx<1.26 and nginx>=1.26 cannot be installed together',
      'because nginx<1.26 is asked for and nginx>=1.26 is asked for, nginx<1.26 and nginx>=1.26 cannot be installed together',
    ],
  ],
  [
    'a dependency that nobody has',
    { packages: web, requests: ['tmux'] },
    [
      'tmux cannot be installed',
      'because tmux 3.5a depends on libevent (there is no package libevent), tmux cannot be installed',
    ],
  ],
  [
    'a dependency that no version fits',
    {
      packages: packagesOf('a 1: b>=3', 'b 1', 'b 2', ...'3456789'.split('').map(n => `b 0.${n}`)),
      requests: ['a'],
    },
    [
      'a cannot be installed',
      'because a 1 depends on b>=3 (there is only b 2, 1, 0.9, 0.8, 0.7 and 4 more), a cannot be installed',
    ],
  ],
  [
    'a dependency that cannot be read',
    { packages: packagesOf('a 1: b c\u001b'), requests: ['a'] },
    [
      'a cannot be installed',
      'because a 1 has a dependency that cannot be read, "b c\\u001b", a cannot be installed',
    ],
  ],
  [
    'two packages that need different versions of a third',
    {
      packages: packagesOf(
        'nginx 1.26: openssl>=3',
        'curl 7: openssl<3',
        'openssl 1.1',
        'openssl 3.5',
      ),
      requests: ['nginx', 'curl'],
    },
    [
      'curl and nginx cannot be installed together',
      'because curl 7 depends on openssl<3 and nginx 1.26 depends on openssl>=3, curl 7 and nginx 1.26 cannot be installed together',
    ],
  ],
]
for (const [what, problem, lines] of explained) {
  test(`${what}: ${lines[0]}`, t => {
    const error = refused(problem)
    t.is(error.message, lines.join('\n  '))
    t.is(error.code, 'PACKAGE_CONFLICT')
    t.is(error.hint, 'ask for other versions, or for less at once')
  })
}

test('what follows from several versions is said step by step', t => {
  const packages = packagesOf(
    'foo 1.0: a>=1',
    'foo 1.1: x>=1',
    'a 1.0: b>=2',
    'b 1.0',
    'b 2.0',
    'x 1.0: y>=2',
    'y 1.0',
    'y 2.0',
  )
  const lines = [
    'b<2, foo and y<2 cannot be installed together',
    'because foo 1.0 depends on a>=1 and a 1.0 depends on b>=2, foo 1.0 needs b 2.0',
    'and because foo 1.1 depends on x>=1 and x 1.0 depends on y>=2, foo needs b 2.0 or y 2.0',
    'and because foo is asked for and y<2 is asked for, b 2.0 is needed',
    'and because b<2 is asked for, b<2, foo and y<2 cannot be installed together',
  ]
  t.is(refused({ packages, requests: ['foo', 'b<2', 'y<2'] }).message, lines.join('\n  '))
})

test('what is used later has a number', t => {
  const packages = packagesOf(
    'a 2: d=3',
    'a 3: b=3',
    'b 3: a=2',
    'd 1: d=2',
    'd 2: d=3',
    'd 3: d=2',
  )
  const lines = [
    'a cannot be installed',
    'because a 3 depends on b=3 and b 3 depends on a=2, a 3 cannot be installed (1)',
    'because a 2 depends on d=3 and d 3 or 1 depends on d=2, a 2 cannot be installed',
    'and because a 3 cannot be installed (1), a cannot be installed',
  ]
  t.is(refused({ packages, requests: ['a'] }).message, lines.join('\n  '))
})

test('depth is limited by memory, and a long explanation to what can be read', t => {
  const depth = 20_000
  const packages = Array.from({ length: depth }, (_, i) => ({
    name: `p${i}`,
    version: '1',
    dependencies: [`p${i + 1}`],
  }))
  const end = { name: `p${depth}`, version: '1', dependencies: [] }
  t.is(
    solve({ packages: [...packages, end], requests: [parseRequirement('p0')] }).length,
    depth + 1,
  )
  const lines = refused({ packages, requests: ['p0'] }).message.split('\n')
  t.is(lines[0], 'p0 cannot be installed')
  t.is(lines.length, 62)
})

// Below, small problems of chance are also solved by trying everything.

const NAMES = ['a', 'b', 'c', 'd']
const VERSIONS = ['1', '2', '3']

const range = fc.constantFrom('', '', '=1', '=2', '=3', '>=2', '<3', '!=2', '~2', '>3', '>=1,<2')
const problemOf = ({ names, atLeast }: { names: readonly string[]; atLeast: number }) => {
  const labels = names.flatMap(name => VERSIONS.map(version => ({ name, version })))
  const name = fc.constantFrom(...names)
  const requirement = fc.tuple(name, range).map(parts => parts.join(''))
  const dependency = fc.oneof(
    { weight: 20, arbitrary: requirement },
    { weight: 1, arbitrary: fc.constantFrom('nowhere', 'a b') },
  )
  const dependencies = fc.array(dependency, { minLength: atLeast, maxLength: 3 })
  return fc.record({
    packages: fc
      .subarray(labels, { minLength: names.length })
      .chain(chosen =>
        fc.tuple(
          ...chosen.map(label => dependencies.map(list => ({ ...label, dependencies: list }))),
        ),
      ),
    requests: fc.array(requirement, { minLength: 1, maxLength: 3 }),
    installed: fc
      .subarray([...names])
      .chain(some =>
        fc.tuple(...some.map(name => fc.constantFrom(...VERSIONS.map(v => `${name} ${v}`)))),
      ),
  })
}
const problem = problemOf({ names: NAMES, atLeast: 0 })
// Too large to try everything, and rarely solvable.
const hardProblem = problemOf({ names: [...NAMES, 'e', 'f', 'g', 'h'], atLeast: 2 })
const RUNS = { numRuns: 500 }

test('a solution is found exactly where trying everything finds one, and it is right', t => {
  let count = { solved: 0, refused: 0 }
  fc.assert(
    fc.property(problem, given => {
      const isKnown = given.requests.every(text =>
        given.packages.some(({ name }) => name === parseRequirement(text).name),
      )
      const requests = given.requests.map(parseRequirement)
      const solutions = everySolution(given.packages, requests)
      try {
        const chosen = solve({ ...given, requests, installed: packagesOf(...given.installed) })
        count = { ...count, solved: count.solved + 1 }
        t.true(isSolution(chosen, requests))
        t.deepEqual(chosen, neededOf(chosen, requests), 'nothing that is not needed')
        t.deepEqual(new Set(chosen.map(({ name }) => name)).size, chosen.length)
      } catch (error) {
        if (!isMixosError(error)) throw error
        count = { ...count, refused: count.refused + 1 }
        t.is(error.code, isKnown ? 'PACKAGE_CONFLICT' : 'PACKAGE_UNKNOWN')
        t.true(!isKnown || solutions.length === 0, error.message)
      }
    }),
    RUNS,
  )
  t.true(Math.min(count.solved, count.refused) > RUNS.numRuns / 10, JSON.stringify(count))
})

test('if what is installed is a solution, nothing changes; if the newest are one, they are chosen', t => {
  const met = { installed: 0, newest: 0 }
  fc.assert(
    fc.property(problem, ({ packages, requests: texts, installed: labels }) => {
      const requests = texts.map(parseRequirement)
      const installed = packages.filter(item => labels.includes(labelOf(item)))
      const newest = packages.filter(
        item => !packages.some(other => other.name === item.name && other.version > item.version),
      )
      if (isSolution(neededOf(installed, requests), requests)) {
        met.installed++
        t.deepEqual(solve({ packages, requests, installed }), neededOf(installed, requests))
      }
      if (isSolution(neededOf(newest, requests), requests)) {
        met.newest++
        t.deepEqual(solve({ packages, requests }), neededOf(newest, requests))
      }
    }),
    RUNS,
  )
  t.true(Math.min(met.installed, met.newest) > 0, JSON.stringify(met))
})

test('the order of packages and requests and what is unrelated have no influence', t => {
  fc.assert(
    fc.property(problem, ({ packages, requests, installed }) => {
      const others = packagesOf('z 1: a<1; z>=2', 'y 1: ,', 'x 1')
      const turned = {
        packages: [...others, ...packages.toReversed()],
        requests: requests.toReversed(),
        installed: installed.toReversed(),
      }
      t.is(answerTo({ packages, requests, installed }), answerTo(turned))
    }),
    RUNS,
  )
})

test('each step of an explanation follows from what it is drawn from, and begins with facts', t => {
  let longest = 0
  fc.assert(
    fc.property(hardProblem, ({ packages, requests }) => {
      const outcome = search(universeOf(packages, []), requests.map(parseRequirement))
      if (!('failure' in outcome)) return
      t.is(outcome.failure.terms.size, 0)
      let steps = 0
      const below: Incompatibility[] = [outcome.failure]
      for (const drawn of below) {
        if (drawn.cause.kind !== 'derived') continue
        steps++
        t.true(follows(drawn, drawn.cause.from))
        below.push(...drawn.cause.from)
      }
      longest = Math.max(longest, steps)
    }),
    RUNS,
  )
  t.true(longest > 4, `${longest} steps`)
})

test('every explanation names what was asked for, and each number that it refers to', t => {
  let explained = 0
  fc.assert(
    fc.property(hardProblem, given => {
      const { message, code } = refused(given)
      if (code !== 'PACKAGE_CONFLICT') return
      explained++
      const [conclusion = '', ...lines] = message.split('\n  ')
      t.regex(conclusion, /^[a-h].*( cannot be installed( together)?| is asked for \(.*\))$/)
      for (const line of lines) t.regex(line, /^(and )?because .+, .+/)
      const referred = [...message.matchAll(/ \((\d+)\)(?!$)/gm)].map(([, number]) => number)
      const defined = [...message.matchAll(/ \((\d+)\)$/gm)].map(([, number]) => number)
      t.true(
        referred.every(number => defined.includes(number)),
        message,
      )
      t.deepEqual(
        defined,
        defined.map((_, index) => String(index + 1)),
        message,
      )
    }),
    RUNS,
  )
  t.true(explained > RUNS.numRuns / 10, `${explained} explanations`)
})

function answerTo(given: Case): string {
  const error = refused(given)
  // Which of several unknown names is reported depends on their order, and who is near on what there is.
  return error.code === 'PACKAGE_UNKNOWN' ? error.code : error.message
}

const isMixosError = (error: unknown): error is MixosError =>
  error instanceof Error && error.name === 'MixosError'

const readable = (text: string): Requirement | undefined => {
  try {
    return parseRequirement(text)
  } catch {
    return undefined
  }
}

const has = (chosen: readonly Candidate[], { name, constraints }: Requirement): boolean =>
  chosen.some(item => item.name === name && matches({ name, constraints }, item.version))

function isSolution(chosen: readonly Candidate[], requests: readonly Requirement[]): boolean {
  const needed = chosen.flatMap(({ dependencies }) => dependencies.map(readable))
  return [...requests, ...needed].every(item => item !== undefined && has(chosen, item))
}

/** What of the chosen is asked for, or what that depends on, sorted by name. */
function neededOf(
  chosen: readonly Candidate[],
  requests: readonly Requirement[],
): readonly Candidate[] {
  const names = new Set(requests.map(({ name }) => name))
  for (const wanted of names) {
    const item = chosen.find(({ name }) => name === wanted)
    for (const text of item?.dependencies ?? []) names.add(readable(text)?.name ?? '')
  }
  return chosen.filter(({ name }) => names.has(name)).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function everySolution(
  packages: readonly Candidate[],
  requests: readonly Requirement[],
): readonly (readonly Candidate[])[] {
  return NAMES.reduce<readonly (readonly Candidate[])[]>(
    (sets, name) => {
      const versions = packages.filter(item => item.name === name)
      return sets.flatMap(set => [set, ...versions.map(item => [...set, item])])
    },
    [[]],
  ).filter(set => isSolution(set, requests))
}

/** Tries all that may become of the packages that are spoken of. */
function follows(drawn: Incompatibility, from: readonly Incompatibility[]): boolean {
  const items = [...new Set([drawn, ...from].flatMap(({ terms }) => [...terms.keys()]))]
  const holds = ({ terms }: Incompatibility, fate: ReadonlyMap<Package, bigint>) =>
    [...terms].every(([item, fates]) => (fates & (fate.get(item) ?? 0n)) !== 0n)
  const fates = items.reduce<readonly ReadonlyMap<Package, bigint>[]>(
    (all, item) =>
      all.flatMap(fate =>
        Array.from({ length: item.versions.length + 1 }, (_, bit) =>
          new Map(fate).set(item, 1n << BigInt(bit)),
        ),
      ),
    [new Map()],
  )
  return fates.every(fate => !holds(drawn, fate) || from.some(cause => holds(cause, fate)))
}
