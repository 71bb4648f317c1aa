import test from 'ava'
import fc from 'fast-check'
import type { MixosError } from '../../graph/error.ts'
import {
  formatPackageIndex,
  type PackageEntry,
  type PackageIndex,
  parsePackageIndex,
} from '../../graph/package-index.ts'
import { type ObjectHash, storePathOf } from '../../graph/store-path.ts'

const hash = 'ab'.repeat(32) as ObjectHash
const entryOf = (name: string, version: string): PackageEntry => {
  const path = storePathOf(hash, `${name}-${version}`)
  return {
    name,
    version,
    description: 'a package',
    license: 'MIT',
    homepage: 'https://example.org',
    dependencies: ['openssl>=3.0,<4', 'zlib'],
    services: ['x'],
    config: ['x/y.conf'],
    path,
    hash,
    closure: [path],
    sizes: [2],
    downloads: [1],
  }
}
const index: PackageIndex = { packages: [entryOf('a', '1'), entryOf('a', '2'), entryOf('b', '1')] }

const refused = (text: string): string => {
  try {
    parsePackageIndex(text, 'it')
  } catch (error) {
    if ((error as MixosError).code === 'PACKAGE_INVALID') return (error as MixosError).message
    throw error
  }
  return 'accepted'
}
const changed = (change: object): string =>
  refused(JSON.stringify({ packages: [{ ...entryOf('a', '1'), ...change }] }))

test('an index comes back from its text, several versions of a package too', t => {
  t.deepEqual(parsePackageIndex(formatPackageIndex(index), 'it'), index)
})

test('any index comes back from its text, in the order of names and versions', t => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{0,6}$/)
  const entries = fc.uniqueArray(fc.record({ name, version: name }), {
    selector: ({ name, version }) => `${name} ${version}`,
    maxLength: 6,
  })
  fc.assert(
    fc.property(entries, list => {
      const text = formatPackageIndex({
        packages: list.map(({ name, version }) => entryOf(name, version)),
      })
      t.is(formatPackageIndex(parsePackageIndex(text, 'it')), text)
    }),
  )
})

test('what does not fit is refused by package, field and value', t => {
  t.is(changed({ version: '1 0' }), 'it: package 1 (a): version is "1 0"')
  t.is(changed({ sizes: [-1] }), 'it: package 1 (a): sizes is -1')
  t.is(changed({ downloads: [1.5] }), 'it: package 1 (a): downloads is 1.5')
  t.is(changed({ downloads: [1, 1] }), 'it: package 1 (a): downloads is a list')
  t.is(changed({ dependencies: ['a>>1'] }), 'it: package 1 (a): dependencies is "a>>1"')
  t.is(changed({ dependencies: ['a>=1,'] }), 'it: package 1 (a): dependencies is "a>=1,"')
  t.is(changed({ description: 'a\u001b[2J' }), 'it: package 1 (a): description is "a\\u001b[2J"')
  t.is(changed({ path: '/etc' }), 'it: package 1 (a): path is "/etc"')
  t.is(changed({ closure: [] }), 'it: package 1 (a): closure is a list')
  t.regex(changed({ hash: '00'.repeat(32) }), /hash is 0{64}, path is \S+-a-1: they do not belong/)
  t.regex(changed({ extra: 1 }), /^it: package 1 \(a\): extra is 1$/)
  t.regex(changed({ config: ['../passwd'] }), /config is "\.\.\/passwd"/)
  t.is(refused('{'), 'it is not JSON')
  t.is(refused('[]'), 'it: packages is nothing')
  t.is(refused('{"packages":[],"more":1}'), 'it: more is 1')
  const twice = JSON.stringify({ packages: [entryOf('a', '1'), entryOf('a', '1')] })
  t.is(refused(twice), 'it: order of packages is "a 1"')
})

test('any JSON is an index or PACKAGE_INVALID', t => {
  t.notThrows(() => fc.assert(fc.property(fc.json(), text => refused(text) !== '')))
  fc.assert(fc.property(fc.json(), item => refused(`{"packages":[${item}]}`) !== 'accepted'))
})
