import test from 'ava'
import fc from 'fast-check'
import {
  formatRequirement,
  matches,
  OPERATORS,
  parseRequirement,
} from '../../graph/version-range.ts'

test('a name alone fits every version', t => {
  t.deepEqual(parseRequirement('openssl'), { name: 'openssl', constraints: [] })
  t.true(matches(parseRequirement('openssl'), '0.9.8zh'))
})

test('constraints are read in their order', t => {
  t.deepEqual(parseRequirement('openssl>=3.0,!=3.1.2,<4'), {
    name: 'openssl',
    constraints: [
      { operator: '>=', version: '3.0' },
      { operator: '!=', version: '3.1.2' },
      { operator: '<', version: '4' },
    ],
  })
})

test('names and versions may hold all that names in the store may hold', t => {
  const { name, constraints } = parseRequirement('libstdc++-6.dev_x=6.5+20250216-rc.1_a')
  t.is(name, 'libstdc++-6.dev_x')
  t.deepEqual(constraints, [{ operator: '=', version: '6.5+20250216-rc.1_a' }])
})

test('spaces and tabs may stand around operators, commas and the whole', t => {
  for (const text of ['a>=1,<2', ' a >= 1 , < 2 ', 'a\t>=\t1\t,\t<2', 'a >=1,<2  ']) {
    t.is(formatRequirement(parseRequirement(text)), 'a>=1,<2')
  }
})

// The requirement, what fits it, what does not.
const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['a=1.2', ['1.2', '1.2.0', '1.02'], ['1.2.1', '1.2p1', '1.2rc1', '1.2-1']],
  ['a!=1.2', ['1.2.1', '1.1'], ['1.2', '1.2.0']],
  ['a<1.0', ['0.9', '1.0rc1', '1.0-alpha'], ['1.0', '1', '1.0p1']],
  ['a<=1.0', ['0.9', '1.0', '1.0.0'], ['1.0.1', '1.0a']],
  ['a>9.9p1', ['9.9p2', '9.9.1', '10'], ['9.9p1', '9.9', '9.9rc1']],
  ['a>=3.0', ['3.0', '3', '3.5.4', '10'], ['3.0rc1', '2.9', '1.1.1w']],
  ['a>=2026a,<2027', ['2026a', '2026f'], ['2026', '2027', '2027a', '2025b']],
  ['a>=2,<1', [], ['1', '2', '1.5']],
  ['a~1.2', ['1.2', '1.2.5', '1.10', '1.99p1', '1.3rc1'], ['1.1', '1.2rc1', '2', '2.0rc1', '10.2']],
  ['a~1.2.3', ['1.2.3', '1.2.10', '1.2.3p1'], ['1.2.2', '1.2', '1.3', '1.3rc1', '2.2.3']],
  ['a~1', ['1', '1.0', '1.9'], ['1rc1', '2', '0.9', '10']],
  ['a~1.0.0', ['1', '1.0', '1.0.7'], ['1.1', '1.0-rc1']],
  ['a~0.3', ['0.3', '0.4'], ['0.2', '1', 'v0.3']],
  ['a~0', ['0', '0.1'], ['1', 'v1']],
  ['a~2026b', ['2026b', '2026f'], ['2026a', '2027a']],
  ['a~9.9p1', ['9.9p1', '9.9p2', '9.10'], ['9.9', '10.0p1']],
  ['a~1.2rc1', ['1.2rc1', '1.2', '1.4'], ['1.2beta', '2.0']],
  ['a~1.2,!=1.4', ['1.3', '1.5'], ['1.4', '2']],
]
for (const [text, fitting, others] of cases) {
  test(`${text} fits ${fitting.join(' ') || 'nothing'} and not ${others.join(' ')}`, t => {
    const requirement = parseRequirement(text)
    for (const version of fitting) t.true(matches(requirement, version), version)
    for (const version of others) t.false(matches(requirement, version), version)
  })
}

const wrong: readonly (readonly [string, string])[] = [
  ['', '"" is not the name of a package'],
  ['  ', '"" is not the name of a package'],
  ['>=1', '"" is not the name of a package'],
  ['../a', '"../a" is not the name of a package'],
  ['-a', '"-a" is not the name of a package'],
  ['a\n>=1', '"a\\n" is not the name of a package'],
  ['a\u001b[31m', '"a\\u001b[31m" is not the name of a package'],
  ['a b', 'expected one of != <= >= = < > ~, got "b"'],
  ['a,b', 'expected one of != <= >= = < > ~, got ""'],
  ['a,>=1', 'expected one of != <= >= = < > ~, got ""'],
  ['a>=1,', 'expected one of != <= >= = < > ~, got ""'],
  ['a>=1,,<2', 'expected one of != <= >= = < > ~, got ""'],
  ['a>=1,2', 'expected one of != <= >= = < > ~, got "2"'],
  ['a@1', '"a@1" is not the name of a package'],
  ['a!1', 'expected one of != <= >= = < > ~, got "!1"'],
  ['a>=', 'expected a version after >=, got ""'],
  ['a==1', 'expected a version after =, got "=1"'],
  ['a=>1', 'expected a version after =, got ">1"'],
  ['a> =1', 'expected a version after >, got "=1"'],
  ['a>=1 2', 'expected a version after >=, got "1 2"'],
  ['a>=1 <2', 'expected a version after >=, got "1 <2"'],
  ['a>=é', 'expected a version after >=, got "\\u00e9"'],
  ['a~rc1', 'expected a version that begins with a number after ~, got "rc1"'],
]
for (const [text, problem] of wrong) {
  test(`${JSON.stringify(text)} is refused: ${problem}`, t => {
    const error = t.throws(() => parseRequirement(text))
    t.like(error, { name: 'MixosError', code: 'PACKAGE_INVALID' })
    t.true(error?.message.endsWith(`: ${problem}`), error?.message)
    t.true(error?.message.startsWith('requirement "'))
  })
}

test('a long hostile text is refused with a short message', t => {
  for (const part of ['a', ' ', '\t ', '>', ',', '>=1,']) {
    const error = t.throws(() => parseRequirement(`a${part.repeat(500_000)}`), {
      name: 'MixosError',
    })
    t.true((error?.message.length ?? 0) < 400)
  }
})

const word = fc.stringMatching(/^[a-z0-9][a-z0-9+._-]{0,9}$/)
const requirement = fc.record({
  name: word,
  constraints: fc.array(
    fc.record({
      operator: fc.constantFrom(...OPERATORS),
      version: fc.stringMatching(/^[0-9][a-z0-9+._-]{0,9}$/),
    }),
    { maxLength: 4 },
  ),
})

test('what is formatted is read as the same', t => {
  fc.assert(
    fc.property(requirement, value => {
      t.deepEqual(parseRequirement(formatRequirement(value)), value)
    }),
  )
  t.pass()
})

test('any text is either refused as PACKAGE_INVALID or has one short form', t => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'a1. ,<>=!~\t-+\n') }), text => {
      try {
        const short = formatRequirement(parseRequirement(text))
        t.is(formatRequirement(parseRequirement(short)), short)
        t.true(short.length <= text.length)
      } catch (error) {
        t.like(error, { code: 'PACKAGE_INVALID' })
      }
    }),
  )
  t.pass()
})

test('a version that a constraint and its contrary are asked of fits exactly one', t => {
  const version = fc.stringMatching(/^[0-3](\.[0-3]){0,2}(rc|p|-)?[0-2]?$/)
  const contrary = [
    ['=', '!='],
    ['<', '>='],
    ['>', '<='],
  ] as const
  fc.assert(
    fc.property(version, version, fc.constantFrom(...contrary), (a, b, [one, other]) => {
      const fits = (operator: string) => matches(parseRequirement(`x${operator}${b}`), a)
      if (/^[0-9a-z]/.test(b) && /[0-9a-z]$/.test(b)) t.not(fits(one), fits(other))
    }),
  )
  t.pass()
})
