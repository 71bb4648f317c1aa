import test from 'ava'
import fc from 'fast-check'
import {
  absolute,
  digestOf,
  digestOfPath,
  isLabel,
  isName,
  labelOfPath,
  type ObjectHash,
  parseHash,
  parseStorePath,
  type StorePath,
  storePathOf,
} from '../../graph/store-path.ts'

const hash = '00ff'.repeat(16) as ObjectHash
const path = storePathOf(hash, 'hello-1.0')

test('a digest is the first 160 bits in base32, most significant first', t => {
  t.is<string, string>(digestOf('0'.repeat(64) as ObjectHash), '0'.repeat(32))
  t.is<string, string>(digestOf('f'.repeat(64) as ObjectHash), 'z'.repeat(32))
  t.is<string, string>(
    digestOf(`${'0'.repeat(39)}1${'0'.repeat(24)}` as ObjectHash),
    `${'0'.repeat(31)}1`,
  )
})

test('a digest is what arithmetic on one big number gives', t => {
  const hashes = fc.stringMatching(/^[0-9a-f]{64}$/)
  fc.assert(fc.property(hashes, text => digestOf(text as ObjectHash) === slowDigestOf(text)))
  t.pass()
})

test('a store path is a digest and a label, and gives them back', t => {
  t.is<string, string>(path, `${digestOf(hash)}-hello-1.0`)
  t.is(digestOfPath(path), digestOf(hash))
  t.is(labelOfPath(path), 'hello-1.0')
  t.is(absolute(path), `/mix/store/${digestOf(hash)}-hello-1.0`)
})

test('a store path is read with and without its directory', t => {
  t.is(parseStorePath(path), path)
  t.is(parseStorePath(absolute(path)), path)
})

const digest = digestOf(hash)
const notPaths: Record<string, string> = {
  nothing: '',
  'a digest alone': digest,
  'a digest without a label': `${digest}-`,
  'a digest that is too short': `${digest.slice(1)}-hello`,
  'a letter outside the alphabet': `e${digest.slice(1)}-hello`,
  'capitals in the digest': `${digest.toUpperCase()}-hello`,
  'a file inside an object': `${path}/bin`,
  'another directory': `/nix/store/${path}`,
  'the directory twice': absolute(absolute(path) as StorePath),
  'a relative way': `../${path}`,
  'a label that begins with a dot': `${digest}-.hello`,
  'a line break at the end': `${path}\n`,
  'a label too long for a file name': `${digest}-${'a'.repeat(212)}`,
}

for (const [what, text] of Object.entries(notPaths)) {
  test(`${what} is not a store path`, t => {
    t.is(parseStorePath(text), undefined)
  })
}

test('names and labels have letters, digits and a few signs, and begin with a letter or a digit', t => {
  for (const text of ['a', '7zip', 'g++', 'gcc-14.2', 'A_b', '1.0+git']) {
    t.true(isName(text), text)
    t.true(isLabel(text), text)
  }
  for (const text of ['', '.a', '-a', '+a', 'a/b', 'a b', 'ä', 'a\n', 'a\0', '..', undefined, 1]) {
    t.false(isName(text), String(text))
    t.false(isLabel(text), String(text))
  }
})

test('a store path with the longest label and a suffix is a file name', t => {
  const longest = 'a'.repeat(211)
  t.true(isLabel(longest))
  t.false(isLabel(`${longest}a`))
  t.true(`${storePathOf(hash, longest)}.unpacked`.length < 255)
})

test('a hash is 64 hexadecimal digits, or refused with where it stood', t => {
  t.is(parseHash<ObjectHash>(hash, 'a.json'), hash)
  for (const text of ['', hash.slice(1), `${hash}0`, hash.toUpperCase(), `${hash}\n`, 1, null]) {
    t.throws(() => parseHash(text, 'a.json'), {
      code: 'RECORD_INVALID',
      message: `a.json: expected 64 hexadecimal digits, got ${JSON.stringify(text)}`,
    })
  }
})

function slowDigestOf(hash: string): string {
  const bits = BigInt(`0x${hash}`) >> 96n
  const digits = Array.from({ length: 32 }, (_, index) =>
    '0123456789abcdfghijklmnpqrsvwxyz'.charAt(Number((bits >> BigInt(155 - 5 * index)) & 31n)),
  )
  return digits.join('')
}
