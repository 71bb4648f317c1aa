import test from 'ava'
import fc from 'fast-check'
import { blake3Hex, blake3Stream } from '../../graph/blake3.ts'

// From the specification's own test vectors.
const OF_NOTHING = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'

test('the hash of nothing is the published one, each time', t => {
  t.is(blake3Hex(''), OF_NOTHING)
  t.not(blake3Hex('a'), OF_NOTHING)
  t.is(blake3Hex(''), OF_NOTHING)
  t.is(blake3Stream().hex(), OF_NOTHING)
})

test('a text hashes like its UTF-8 bytes', t => {
  const texts = fc.string({ unit: 'grapheme' })
  fc.assert(fc.property(texts, text => blake3Hex(text) === blake3Hex(Buffer.from(text))))
  t.pass()
})

test('bytes hash alike in one piece and in many, also while others are hashed', t => {
  const stream = blake3Stream()
  for (const piece of ['a', '', 'bc']) {
    stream.update(Buffer.from(piece))
    blake3Hex('something else')
  }
  t.is(stream.hex(), blake3Hex('abc'))
})
