import test from 'ava'
import { checksums, stanzas } from '../../../../store/pins/debian/control.ts'

const TEXT = `Package: a
Version: 1
Description: text
 with: another line
 .
Size: 7


Package: b
Depends: c,
 d (>= 1)
Size:8
`

test('stanzas hold the wanted fields, with their further lines', t => {
  t.deepEqual(
    [...stanzas(TEXT, ['Package', 'Depends', 'Size'])],
    [
      { Package: 'a', Size: '7' },
      { Package: 'b', Depends: 'c,\n d (>= 1)', Size: '8' },
    ],
  )
})

test('a last stanza needs no newline, and blank lines make no stanza', t => {
  t.deepEqual([...stanzas('\n\nA: 1\n \t\nA: 2', ['A'])], [{ A: '1' }, { A: '2' }])
  t.deepEqual([...stanzas('\n \n', ['A'])], [])
})

test('a line that is no field is an error that shows it', t => {
  t.throws(() => [...stanzas('A: 1\nnoise\n', ['A'])], { message: '"noise" is no field' })
})

test('checksums are by name, and other lines are passed over', t => {
  const hash = 'a'.repeat(64)
  t.deepEqual(
    [...checksums(`\n ${hash} 12 main/x.xz\n ${'b'.repeat(40)} 13 sha1\n ${hash} 0   y`)],
    [
      ['main/x.xz', { hash: `sha256:${hash}`, size: 12 }],
      ['y', { hash: `sha256:${hash}`, size: 0 }],
    ],
  )
})
