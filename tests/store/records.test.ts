import test from 'ava'
import fc from 'fast-check'
import { MixosError } from '../../graph/error.ts'
import type { Manifest } from '../../graph/manifest.ts'
import { type Digest, digestOf, digestOfPath } from '../../graph/store-path.ts'
import { formatRecord, newRecord, parseHead, parseRecord } from '../../store/records.ts'

const manifest: Manifest = {
  label: 'hello-1',
  references: ['00000000000000000000000000000000-musl-1' as never],
  entries: [
    { path: '', type: 'directory' },
    { path: 'bin', type: 'directory' },
    { path: 'bin/hi', type: 'file', executable: true, size: 40, hash: 'a'.repeat(64), self: [0] },
    { path: 'bin/link', type: 'symlink', target: 'hi' },
  ],
}
const record = newRecord(manifest)
const text = formatRecord(record)
const digest = digestOfPath(record.path)

test('a record is read as it was written', t => {
  t.deepEqual(parseRecord(text, digest, 'r'), record)
})

test('the head says the same as the whole record', t => {
  const { hash, size, manifest } = record
  t.deepEqual(parseHead(Buffer.from(text), digest, 'r'), {
    hash,
    size,
    references: manifest.references,
  })
})

test('a record under the digest of another object is refused', t => {
  const other = 'z'.repeat(32) as Digest
  t.throws(() => parseRecord(text, other, 'r'), {
    code: 'RECORD_INVALID',
    message: /^r: it is the/,
  })
  t.throws(() => parseHead(Buffer.from(text), other, 'r'), { code: 'RECORD_INVALID' })
})

test('a record whose manifest was changed is refused with both hashes', t => {
  const changed = text.replace('"size":40,"hash":"aa', '"size":40,"hash":"ab')
  t.throws(() => parseRecord(changed, digest, 'r'), {
    code: 'RECORD_INVALID',
    message: new RegExp(
      `^r: the manifest hashes to b3:[0-9a-f]{64}, the record says b3:${record.hash}$`,
    ),
  })
})

test('a record that lies about its size is refused', t => {
  const changed = text.replace('"size":40,"label"', '"size":4,"label"')
  t.throws(() => parseRecord(changed, digest, 'r'), { code: 'RECORD_INVALID', message: /40 bytes/ })
})

test('a record that ends early is refused wherever it ends', t => {
  for (let length = 0; length < text.length - 1; length++) {
    t.throws(() => parseRecord(text.slice(0, length), digest, 'r'), { code: 'RECORD_INVALID' })
  }
})

test('whatever stands in a record file, nothing but RECORD_INVALID is thrown', t => {
  const refuses = refusesOnly(t)
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), text => {
      refuses(() => parseRecord(text, digest, 'r'))
      refuses(() => parseHead(Buffer.from(text), digest, 'r'))
    }),
  )
})

test('a size that cannot even be a text is refused like any other', t => {
  const changed = text.replace(/"size":\d+/, '"size":{"toString":false}')
  t.throws(() => parseRecord(changed, digest, 'r'), {
    code: 'RECORD_INVALID',
    message: /the record says \{"toString":false\}$/,
  })
})

test('whatever one value of a record is changed to, nothing but RECORD_INVALID is thrown', t => {
  const refuses = refusesOnly(t)
  const keys = [
    'format',
    'hash',
    'size',
    'label',
    'references',
    'entries',
    'path',
    'type',
    'target',
  ]
  const key = fc.constantFrom(...keys, 'executable', 'self')
  fc.assert(
    fc.property(key, fc.jsonValue(), fc.nat(3), (key, value, index) => {
      const data = JSON.parse(text)
      if (key in data) data[key] = value
      else data.entries[index][key] = value
      const changed = JSON.stringify(data)
      refuses(() => parseRecord(changed, digest, 'r'))
      refuses(() =>
        parseHead(Buffer.from(changed.replace('"entries":[', '"entries":[\n')), digest, 'r'),
      )
    }),
    { numRuns: 500 },
  )
})

test('any manifest in canonical form survives the record', t => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.stringMatching(/^[a-z.é\u{1f600}-]{1,9}$/u)), names => {
      const manifest: Manifest = {
        label: 'any-1',
        references: [],
        entries: [
          { path: '', type: 'directory' },
          ...names
            .filter(name => name !== '.' && name !== '..')
            .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
            .map(path => ({ path, type: 'symlink', target: path }) as const),
        ],
      }
      const record = newRecord(manifest)
      t.deepEqual(parseRecord(formatRecord(record), digestOf(record.hash), 'r'), record)
    }),
  )
})

function refusesOnly(t: { true(value: boolean): void }) {
  return (parse: () => unknown): void => {
    try {
      parse()
    } catch (error) {
      t.true(error instanceof MixosError && error.code === 'RECORD_INVALID')
    }
  }
}
