import { execFileSync } from 'node:child_process'
import { sign, verify } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import { MixosError } from '../../../graph/error.ts'
import {
  formatPublicKey,
  generateKey,
  keyIdOf,
  parsePublicKey,
  readSecretKey,
  writeSecretKey,
} from '../../../store/cache/keys.ts'
import { faultyHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

// The first test of RFC 8032, section 7.1.
const SEED = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
const PUBLIC = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
const fixed = { ...nodeHost, randomHex: () => SEED }
const key = generateKey(fixed, 'alice')
const text = `alice:${Buffer.from(PUBLIC, 'hex').toString('base64')}`

test('a key is that of RFC 8032', t => {
  t.is(formatPublicKey(key.public), text)
  t.is(key.public.id, keyIdOf(Buffer.from(PUBLIC, 'hex')))
  t.is(
    sign(null, Buffer.alloc(0), key.object).toString('hex'),
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  )
})

test('two new keys are two keys', t => {
  t.not(generateKey(nodeHost, 'a').public.id, generateKey(nodeHost, 'a').public.id)
})

test('a public key comes back from its text', t => {
  const parsed = parsePublicKey(text, 'x')
  t.is(formatPublicKey(parsed), text)
  t.is(parsed.id, key.public.id)
  t.regex(parsed.id, /^[0-9a-f]{32}$/)
})

test('any new key comes back from its text', t => {
  const seeds = fc.stringMatching(/^[0-9a-f]{64}$/)
  fc.assert(
    fc.property(seeds, seed => {
      const { public: made } = generateKey({ ...nodeHost, randomHex: () => seed }, 'k')
      return parsePublicKey(formatPublicKey(made), 'x').id === made.id
    }),
    { numRuns: 50 },
  )
  t.pass()
})

test('what a key is called does not change what it is', t => {
  t.is(parsePublicKey(text.replace('alice', 'bob'), 'x').id, key.public.id)
})

for (const name of ['', 'Alice', '-a', 'a b', 'a:b', 'a/b', 'é', 'a'.repeat(62)]) {
  test(`${JSON.stringify(name)} is no name of a key`, t => {
    t.throws(() => generateKey(fixed, name), { code: 'BAD_ARGUMENT' })
    t.throws(() => parsePublicKey(text.replace('alice', name), 'x'), { code: 'KEY_INVALID' })
  })
}

const base64 = text.slice(6)
for (const [what, malformed, message] of [
  ['no name', base64, 'has no NAME: in front'],
  ['nothing after its name', 'alice:', 'has 0 bytes, expected 32'],
  ['no padding', text.slice(0, -1), 'has no proper base64'],
  ['bits after its end', `${text.slice(0, -2)}p=`, 'has no proper base64'],
  ['a space behind it', `${text} `, 'has no proper base64'],
  ['the alphabet of URLs', `alice:${'-'.repeat(43)}=`, 'has no proper base64'],
  ['a byte too few', `alice:${Buffer.alloc(31).toString('base64')}`, 'has 31 bytes, expected 32'],
] as const) {
  test(`a public key with ${what} is refused`, t => {
    const error = t.throws(() => parsePublicKey(malformed, 'keys[0]'), { code: 'KEY_INVALID' })
    t.true(error?.message.startsWith('keys[0]: '))
    t.true(error?.message.includes(message), error?.message)
  })
}

const LOW = [
  '01'.padEnd(64, '0'),
  `ec${'f'.repeat(60)}7f`,
  '0'.repeat(64),
  `${'0'.repeat(62)}80`,
  `01${'0'.repeat(60)}80`,
  `ec${'f'.repeat(62)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
]

test('a key for which anyone can sign is refused: all points of low order', t => {
  for (const hex of LOW) {
    t.throws(() => parsePublicKey(textOf(hex), 'x'), { message: /is a point of low order$/ })
  }
})

test('a second way to write a key is refused: it would count as a second key', t => {
  for (let low = 0xed; low <= 0xff; low++) {
    for (const high of ['7f', 'ff']) {
      const hex = `${low.toString(16)}${'f'.repeat(60)}${high}`
      t.throws(() => parsePublicKey(textOf(hex), 'x'), { message: /is not in canonical form$/ })
    }
  }
})

test('bytes for which nobody can sign are refused', t => {
  t.throws(() => parsePublicKey(textOf('02'.padEnd(64, '0')), 'x'), {
    message: /is not a point of ed25519$/,
  })
})

test('a signature is one, not two: the second solution is refused by node', t => {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const signature = sign(null, Buffer.from('a'), key.object)
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + order
  const other = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()
  const changed = Buffer.concat([signature.subarray(0, 32), other])
  t.true(verify(null, Buffer.from('a'), key.public.object, signature))
  t.false(verify(null, Buffer.from('a'), key.public.object, changed))
})

test('a secret key comes back from its file, which only its owner can read', async t => {
  const path = join(tempDirectory(t), 'new', 'key')
  await writeSecretKey(nodeHost, path, key)
  t.is(statSync(path).mode & 0o777, 0o600)
  t.is(readFileSync(path, 'utf8'), `alice:${Buffer.from(SEED, 'hex').toString('base64')}\n`)
  t.is(formatPublicKey(readSecretKey(nodeHost, path).public), text)
})

test('a secret key is never written over a file', async t => {
  const path = join(tempDirectory(t), 'key')
  await writeSecretKey(nodeHost, path, key)
  const again = writeSecretKey(nodeHost, path, generateKey(nodeHost, 'bob'))
  await t.throwsAsync(again, { code: 'KEY_INVALID', message: /there is a file of that name$/ })
  t.is(readSecretKey(nodeHost, path).public.name, 'alice')
})

test('a secret key that is not on disk is not reported as written', async t => {
  const path = join(tempDirectory(t), 'key')
  for (const at of [1, 2]) {
    const host = faultyHost(nodeHost, { at, how: 'EIO', among: ['sync'] })
    await t.throwsAsync(writeSecretKey(host, `${path}${at}`, key), { code: 'EIO' })
  }
})

for (const mode of [0o640, 0o604, 0o620, 0o601, 0o644]) {
  test(`a secret key with mode ${mode.toString(8)} is refused with the command that closes it`, t => {
    const path = join(tempDirectory(t), "it's a key")
    writeFileSync(path, `alice:${Buffer.from(SEED, 'hex').toString('base64')}\n`)
    chmodSync(path, mode)
    const error = t.throws(() => readSecretKey(nodeHost, path), { code: 'KEY_INVALID' })
    t.true(error?.message.endsWith(`its mode is 0${mode.toString(8)}, not 0600`), error?.message)
    execFileSync('sh', ['-c', (error as MixosError).hint ?? ''])
    t.is(readSecretKey(nodeHost, path).public.id, key.public.id)
  })
}

test('a symlink to a secret key is refused with the file that it names', async t => {
  const directory = tempDirectory(t)
  await writeSecretKey(nodeHost, join(directory, 'key'), key)
  symlinkSync('key', join(directory, 'link'))
  const error = t.throws(() => readSecretKey(nodeHost, join(directory, 'link')), {
    code: 'KEY_INVALID',
    message: /it is a symlink$/,
  })
  t.is((error as MixosError).hint, 'name the file itself: key')
})

test('a missing secret key, a directory and a pipe are refused, and nobody waits', t => {
  const directory = tempDirectory(t)
  mkdirSync(join(directory, 'directory'))
  execFileSync('mkfifo', ['-m', '600', join(directory, 'pipe')])
  for (const [name, message] of [
    ['absent', /absent: there is no such file$/],
    ['directory', /directory: it is not a file$/],
    ['pipe', /pipe: it is not a file$/],
  ] as const) {
    t.throws(() => readSecretKey(nodeHost, join(directory, name)), { code: 'KEY_INVALID', message })
  }
})

const seed64 = Buffer.from(SEED, 'hex').toString('base64')
for (const [what, content, message] of [
  ['is empty', '', 'the file does not end with its first line'],
  ['ends early', `alice:${seed64.slice(0, 20)}`, 'the file does not end with its first line'],
  ['has two lines', `alice:${seed64}\nbob\n`, 'the file has no proper base64 after its name'],
  ['has no name', `${seed64}\n`, 'the file has no NAME: in front'],
  ['has a name that is none', `${seed64}:${seed64}\n`, 'the file has an invalid name'],
  [
    'has a longer key',
    `alice:${Buffer.from(`${SEED}000000`, 'hex').toString('base64')}\n`,
    'the file has 35 bytes, expected 32',
  ],
  ['is large', `alice:${seed64}\n${'x'.repeat(5000)}`, 'the file does not end'],
] as const) {
  test(`a secret key that ${what} is refused, and the message does not hold it`, t => {
    const path = join(tempDirectory(t), 'key')
    writeFileSync(path, content, { mode: 0o600 })
    const error = t.throws(() => readSecretKey(nodeHost, path), { code: 'KEY_INVALID' })
    t.true(error?.message.startsWith(`${path}: ${message}`), error?.message)
    t.false(inspect(error).includes(seed64.slice(0, 8)))
  })
}

test('printing a secret key does not show it', t => {
  for (const shown of [inspect(key, { depth: 9, showHidden: true }), JSON.stringify(key)]) {
    t.false(shown.includes(seed64.slice(0, 8)))
    t.false(shown.includes(SEED.slice(0, 8)))
  }
})

test('whatever stands for a public key, nothing but KEY_INVALID is thrown', t => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const keys = bytes.map(bytes => `k:${Buffer.from(bytes).toString('base64')}`)
  fc.assert(
    fc.property(fc.oneof(fc.string(), keys), text => {
      try {
        t.is(formatPublicKey(parsePublicKey(text, 'x')), text)
      } catch (error) {
        t.true(error instanceof MixosError && error.code === 'KEY_INVALID')
      }
    }),
    { numRuns: 200 },
  )
})

const textOf = (hex: string): string => `low:${Buffer.from(hex, 'hex').toString('base64')}`
