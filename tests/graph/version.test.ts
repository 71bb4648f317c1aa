import test from 'ava'
import fc from 'fast-check'
import { compareVersions, leadingNumbers } from '../../graph/version.ts'

// Each row oldest first.
const ordered: readonly (readonly string[])[] = [
  ['1.2', '1.3', '1.3.1', '1.3.2', '1.4'],
  ['1.8', '1.9', '1.10', '1.11', '1.100', '2'],
  ['9.8p1', '9.9-rc1', '9.9', '9.9p1', '9.9p2', '9.9p10', '9.9.1', '10.0p1'],
  ['1.0dev3', '1.0-alpha', '1.0-alpha.2', '1.0-beta', '1.0pre1', '1.0rc1', '1.0-rc.2', '1.0'],
  ['2025b', '2026', '2026a', '2026e', '2026f', '2027a'],
  ['6.4+20241231', '6.5', '6.5+20250125', '6.5+20250216', '6.5.1', '6.6'],
  ['3.4', '3.5-rc', '3.5', '3.5a', '3.5b', '3.6'],
  ['1.0.2', '1.0.2a', '1.0.2z', '1.0.2za', '1.0.2zg', '1.1.0', '3.0.15', '3.5.4'],
  ['1.35.0', '1.36.1', '1.37.0'],
  ['590', '643', '668', '679'],
  ['20230801', '20240203', '20250419'],
  ['1.0', '1.0-1', '1.0-2', '1.0-10', '1.0a', '1.0.1'],
  ['2.12-8', '2.12-9', '2.12.1', '2.13~rc1', '2.13'],
  ['0', '0.0.1', '0.1', '1'],
  ['1.0-rc1', '1.0', '1.0.0.1'],
  ['1.99999999999999999999999998', '1.99999999999999999999999999', '1.100000000000000000000000000'],
]

for (const versions of ordered) {
  test(`${versions.join(' < ')}`, t => {
    for (const [i, a] of versions.entries()) {
      for (const [j, b] of versions.entries()) {
        t.is(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} and ${b}`)
      }
    }
  })
}

for (const [a, b] of [
  ['1.02', '1.2'],
  ['007', '7'],
  ['1.0', '1.0.0'],
  ['1', '1.0'],
  ['1.0.0-rc1', '1-RC1'],
  ['9.0p1', '9p1'],
  ['1.0-rc1', '1.0rc1'],
  ['1.0-rc.1', '1.0rc01'],
  ['1.0-preview2', '1.0pre2'],
  ['0', '0.00'],
] as const) {
  test(`${a} and ${b} are one version`, t => t.is(compareVersions(a, b), 0))
}

test('any two texts compare one way round, and three of them agree', t => {
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      t.is(compareVersions(a, a), 0)
      t.is(Math.sign(compareVersions(a, b)), 0 - Math.sign(compareVersions(b, a)))
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) {
        t.true(compareVersions(a, c) <= 0)
      }
      if (compareVersions(a, b) === 0) {
        t.is(Math.sign(compareVersions(a, c)), Math.sign(compareVersions(b, c)))
      }
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

test('every order of the same versions sorts alike', t => {
  fc.assert(
    fc.property(
      fc
        .array(version, { maxLength: 8 })
        .chain(list =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
        ),
      ([list, shuffled]) => {
        const sorted = list.toSorted(compareVersions)
        const again = shuffled.toSorted(compareVersions)
        t.true(sorted.every((one, i) => compareVersions(one, again[i] ?? '') === 0))
      },
    ),
  )
  t.pass()
})

test('numbers of any length compare as numbers', t => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n }), fc.bigInt({ min: 0n }), fc.nat(5), (a, b, zeros) => {
      const padded = '0'.repeat(zeros) + a
      t.is(Math.sign(compareVersions(`1.${padded}.1`, `1.${b}.1`)), a < b ? -1 : a > b ? 1 : 0)
    }),
  )
  t.pass()
})

test('long hostile texts compare in no time', t => {
  const texts = ['-', '.', '0', '1', 'a', '1a', '.0', '0.'].map(part => part.repeat(40_000))
  for (const text of texts) t.true(compareVersions(text, `${text}.1`) < 0, text.slice(0, 2))
})

test('the leading numbers end at the first other piece', t => {
  t.deepEqual(leadingNumbers('1.00.10-rc1'), ['1', '0', '10'])
  t.deepEqual(leadingNumbers('2026f'), ['2026'])
  t.deepEqual(leadingNumbers('6.5+20250216'), ['6', '5'])
  t.deepEqual(leadingNumbers('v1'), [])
})

const version = fc.oneof(
  fc.stringMatching(/^[0-9]{1,2}(\.[0-2]){0,3}([-+.]?(rc|alpha|beta|a|p|b)[0-2]?)?([-+.][0-2])?$/),
  fc.stringMatching(/^[0-2a.+_rc-]{0,6}$/),
  fc.string({ maxLength: 5 }),
)
