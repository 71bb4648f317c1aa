import test from 'ava'
import { parsePackages } from '../../../../store/pins/debian/packages.ts'
import { parseRelations } from '../../../../store/pins/debian/relation.ts'
import { resolve } from '../../../../store/pins/debian/resolve.ts'

interface Entry {
  readonly Version?: string
  readonly Depends?: string
  readonly 'Pre-Depends'?: string
  readonly Recommends?: string
  readonly Provides?: string
  readonly Priority?: string
}

test('a package comes with all it depends on, sorted, without what it recommends', t => {
  const packages = {
    tool: { Depends: 'zlib, lib (>= 1)', 'Pre-Depends': 'init', Recommends: 'docs' },
    lib: { Depends: 'libc:any' },
    libc: {},
    zlib: { Depends: 'libc' },
    init: {},
    docs: {},
  }
  t.deepEqual(names(packages, ['tool']), ['init', 'lib', 'libc', 'tool', 'zlib'])
})

test('packages that depend on each other are no obstacle', t => {
  t.deepEqual(names({ a: { Depends: 'b' }, b: { Depends: 'a' } }, ['a']), ['a', 'b'])
})

test('of alternatives, the first that exists in a good version is taken', t => {
  const packages = {
    tool: { Depends: 'gone | old (>= 2) | good | other' },
    old: {},
    good: {},
    other: {},
  }
  t.deepEqual(names(packages, ['tool']), ['good', 'tool'])
})

test('of alternatives, one that is wanted anyway is taken', t => {
  const packages = { tool: { Depends: 'mawk | gawk' }, mawk: {}, gawk: {} }
  t.deepEqual(names(packages, ['tool', 'gawk']), ['gawk', 'tool'])
  t.deepEqual(names(packages, ['gawk', 'tool']), ['gawk', 'tool'])
})

test('a virtual package is its most wanted provider, then the first by name', t => {
  const packages = {
    tool: { Depends: 'awk' },
    'a-awk': { Provides: 'awk', Priority: 'optional' },
    'b-awk': { Provides: 'awk', Priority: 'required' },
    'c-awk': { Provides: 'awk', Priority: 'required' },
  }
  t.deepEqual(names(packages, ['tool']), ['b-awk', 'tool'])
})

test('a virtual package meets a version only where it is provided in one', t => {
  const packages = {
    tool: { Depends: 'api (>= 3)' },
    unversioned: { Provides: 'api', Priority: 'required' },
    older: { Provides: 'api (= 2)', Priority: 'required' },
    newer: { Provides: 'other, api (= 4)' },
  }
  t.deepEqual(names(packages, ['tool']), ['newer', 'tool'])
})

for (const [constraint, isMet] of [
  ['<< 2', false],
  ['<= 2', true],
  ['= 2', true],
  ['= 2-1', false],
  ['>= 2', true],
  ['>> 2', false],
  ['>> 2~rc1', true],
] as const) {
  test(`version 2 ${isMet ? 'meets' : 'does not meet'} ${constraint}`, t => {
    const packages = {
      tool: { Depends: `lib (${constraint}) | other` },
      lib: { Version: '2' },
      other: {},
    }
    t.deepEqual(names(packages, ['tool']), [isMet ? 'lib' : 'other', 'tool'].sort())
  })
}

test('an index with several versions of a package counts for its newest', t => {
  const text = `${stanza('lib', { Version: '1.9' })}${stanza('lib', { Version: '1.10' })}${stanza('lib', { Version: '1.2' })}`
  t.is(resolve(parsePackages(text), ['lib'])[0]?.version, '1.10')
})

test('a dependency that nothing meets is LOCK_OUTDATED, with who needs it', t => {
  t.throws(() => names({ tool: { Depends: 'a (>= 2) | b' }, a: {} }, ['tool']), {
    code: 'LOCK_OUTDATED',
    message: /a \(>= 2\) \| b, which tool needs/,
  })
})

test('a wanted package that the index lacks is NAME_UNKNOWN', t => {
  t.throws(() => names({}, ['tool']), { code: 'NAME_UNKNOWN', message: /"tool"/ })
})

test('an entry that cannot be fetched is an error that names it', t => {
  for (const wrong of [
    'Filename: ../../etc/passwd',
    'Filename: pool/../x',
    'SHA256: 12',
    'Size: x',
  ]) {
    const text = stanza('tool', {}).replace(new RegExp(`^${wrong.split(':')[0]}: .*$`, 'm'), wrong)
    t.throws(() => parsePackages(text), { message: /entry of tool/ })
  }
})

test('a field that is no dependency is an error that shows it', t => {
  t.throws(() => parseRelations('a, b (1.0)'), { message: '"b (1.0)" is no dependency' })
  t.deepEqual(parseRelations(' a , '), [[{ name: 'a' }]])
})

function names(packages: Readonly<Record<string, Entry>>, roots: readonly string[]): string[] {
  const text = Object.entries(packages)
    .map(([name, entry]) => stanza(name, entry))
    .join('')
  return resolve(parsePackages(text), roots).map(({ name }) => name)
}

function stanza(name: string, { Version = '1', ...entry }: Entry): string {
  const fields = {
    Package: name,
    Version,
    ...entry,
    Filename: `pool/main/${name}_${Version}.deb`,
    SHA256: 'a'.repeat(64),
    Size: '1',
  }
  return `${Object.entries(fields)
    .map(([field, value]) => `${field}: ${value}\n`)
    .join('')}\n`
}
