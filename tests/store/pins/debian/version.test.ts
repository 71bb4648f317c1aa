import test from 'ava'
import fc from 'fast-check'
import { compareVersions, upstreamOf } from '../../../../store/pins/debian/version.ts'

// Oldest first.
const ordered = [
  '0~~',
  '0~~a',
  '0~',
  '0',
  '0a',
  '0+',
  '1.0~beta1~svn1245',
  '1.0~beta1',
  '1.0',
  '1.0-0.1',
  '1.0-1~deb13u1',
  '1.0-1',
  '1.0-1+b1',
  '1.0-1.1',
  '1.0a',
  '1.0+dfsg',
  '1.0.1',
  '1.2',
  '1.10',
  '6.12.107-1',
  '20240101120000-1',
  '123456789012345678901234567889',
  '123456789012345678901234567890',
  '1:0',
  '1:1.37.0-6',
  '2:0',
]

test('versions are ordered as dpkg orders them', t => {
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) {
      t.is(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} and ${b}`)
    }
  }
})

for (const [a, b] of [
  ['1.0', '0:1.0'],
  ['1.00', '1.0'],
  ['1.0-0', '1.0'],
  ['007', '7'],
] as const) {
  test(`${a} and ${b} are the same version`, t => t.is(compareVersions(a, b), 0))
}

test('any two versions compare one way round', t => {
  const version = fc.stringMatching(/^[0-9][0-9a-z.+~-]{0,12}$/)
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      t.is(Math.sign(compareVersions(a, b)), 0 - Math.sign(compareVersions(b, a)))
      const [x, y, z] = [a, b, c].sort(compareVersions) as [string, string, string]
      t.true(compareVersions(x, z) <= 0 && compareVersions(x, y) <= 0 && compareVersions(y, z) <= 0)
    }),
  )
  t.pass()
})

test('the part that upstream gave leaves out epoch and revision', t => {
  t.is(upstreamOf('1:1.37.0-6+b9'), '1.37.0')
  t.is(upstreamOf('2.12-9-1'), '2.12-9')
  t.is(upstreamOf('2025.1'), '2025.1')
})
