import test from 'ava'
import fc from 'fast-check'
import { formatLock, type Lock, type Pin, parseLock, pinOf } from '../../graph/lock.ts'

const hash = `sha256:${'ab'.repeat(32)}` as const
const zlib: Pin = {
  name: 'zlib',
  version: '1:1.3.1-1',
  urls: ['https://example.org/zlib', 'mirror://debian/z'],
  hash,
  size: 10,
}
const bash: Pin = { ...zlib, name: 'bash', version: '5.2' }
const lock: Lock = { pins: { zlib, bash }, seeds: { build: ['zlib', 'bash'], all: [] } }

test('a lock comes back from its text, seeds in their order', t => {
  t.deepEqual(parseLock(formatLock(lock)), lock)
})

test('any lock comes back from its text, and its text is the same again', t => {
  const pins = fc.uniqueArray(
    fc.record({
      name: fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{0,6}$/),
      version: fc.string({ minLength: 1 }),
      urls: fc.array(fc.webUrl(), { minLength: 1, maxLength: 3 }),
      hash: fc.stringMatching(/^sha256:[0-9a-f]{64}$/) as fc.Arbitrary<Pin['hash']>,
      size: fc.maxSafeNat(),
    }),
    { selector: pin => pin.name, maxLength: 5 },
  )
  fc.assert(
    fc.property(pins, list => {
      const lock: Lock = {
        pins: Object.fromEntries(list.map(pin => [pin.name, pin])),
        seeds: { all: list.map(pin => pin.name) },
      }
      const text = formatLock(lock)
      t.deepEqual(parseLock(text), lock)
      return formatLock(parseLock(text)) === text
    }),
  )
})

test('a changed pin is one changed line', t => {
  const lines = formatLock(lock).split('\n')
  const changed = formatLock({ ...lock, pins: { zlib: { ...zlib, size: 11 }, bash } }).split('\n')
  t.is(lines.filter((line, index) => line !== changed[index]).length, 1)
})

test('the order in which pins are added does not matter', t => {
  t.is(formatLock({ ...lock, pins: { bash, zlib } }), formatLock(lock))
})

test('a pin is found by its name', t => {
  t.is(pinOf(lock, 'bash'), bash)
})

test('a pin that is not there is refused with the command that adds it', t => {
  for (const name of ['gcc', 'constructor']) {
    const error = t.throws(() => pinOf(lock, name), {
      code: 'LOCK_OUTDATED',
      message: `flake-free.lock has no pin "${name}"`,
    })
    t.is((error as { hint?: string } | undefined)?.hint, `add it with: mixos lock update ${name}`)
  }
})

const { name: _, ...pinData } = zlib
const refused: Record<string, readonly [data: unknown, message: string]> = {
  'a list': [[], 'it is not a JSON object'],
  'another version': [{ version: 2 }, 'its version is 2, this mixos reads version 1'],
  'no version': [{}, 'its version is undefined'],
  'no pins': [{ version: 1, seeds: {} }, '"pins" is not an object'],
  'no seeds': [{ version: 1, pins: {} }, '"seeds" is not an object'],
  'a pin that is a text': [withPin('a'), 'pin zlib is not an object'],
  'a pin without a version': [
    withPin({ version: undefined }),
    'pin zlib: invalid version undefined',
  ],
  'a pin with an empty version': [withPin({ version: '' }), 'pin zlib: invalid version ""'],
  'a pin without urls': [withPin({ urls: [] }), 'pin zlib: invalid urls []'],
  'a url of another kind': [
    withPin({ urls: ['ftp://a/b'] }),
    'pin zlib: invalid urls ["ftp://a/b"]',
  ],
  'a url with a space': [withPin({ urls: ['https://a/ b'] }), 'pin zlib: invalid urls'],
  'another kind of hash': [withPin({ hash: 'sha1:00' }), 'pin zlib: invalid hash "sha1:00"'],
  'a hash in capitals': [withPin({ hash: hash.toUpperCase() }), 'pin zlib: invalid hash'],
  'a negative size': [withPin({ size: -1 }), 'pin zlib: invalid size -1'],
  'a size that is a text': [withPin({ size: '1' }), 'pin zlib: invalid size "1"'],
  'a field too many': [withPin({ md5: '' }), 'pin zlib: unknown field md5'],
  'a pin without a name': [{ version: 1, pins: { '': pinData }, seeds: {} }, 'invalid pin name ""'],
  'a seed that is a text': [withSeed('zlib'), 'seed build is not a list'],
  'a seed of what is not pinned': [
    withSeed(['gcc']),
    'seed build names "gcc", which is not pinned',
  ],
  'a seed of a number': [withSeed([1]), 'seed build names 1'],
}

for (const [what, [data, message]] of Object.entries(refused)) {
  test(`${what} is refused`, t => {
    const error = t.throws(() => parseLock(JSON.stringify(data)), { code: 'LOCK_INVALID' })
    t.true(error?.message.startsWith('flake-free.lock: '))
    t.true(error?.message.includes(message), error?.message)
  })
}

test('a pin that is there twice is refused with both, as a merge that kept both lines leaves it', t => {
  const text = formatLock(lock)
  const line = /^ {4}"bash": .*\n/m.exec(text)?.[0] ?? ''
  const other = line.replace('5.2', '5.3')
  const [value, otherValue] = [line, other].map(each => each.trim().slice('"bash": '.length, -1))
  t.throws(() => parseLock(text.replace(line, line + other)), {
    code: 'LOCK_INVALID',
    message: `flake-free.lock: "bash" is there twice, as ${value} and as ${otherValue}`,
  })
})

test('a seed or a field that is there twice is refused, however it is written', t => {
  const text = formatLock(lock)
  for (const twice of [
    text.replace('"all":', '"\\u0062uild": [],\n"all":'),
    text.replace('"size":10', '"size":10, "size" : 11'),
    text.replace('"pins":', '"pins": {}, "pins":'),
  ]) {
    t.not(twice, text)
    t.throws(() => parseLock(twice), { code: 'LOCK_INVALID', message: / is there twice, as / })
  }
})

test('a pin or a seed of the name __proto__ is refused, not forgotten', t => {
  const pin = JSON.stringify(pinData)
  t.throws(() => parseLock(`{"version":1,"pins":{"__proto__":${pin}},"seeds":{}}`), {
    message: 'flake-free.lock: invalid pin name "__proto__"',
  })
  t.throws(() => parseLock('{"version":1,"pins":{},"seeds":{"__proto__":[]}}'), {
    message: 'flake-free.lock: invalid seed name "__proto__"',
  })
})

test('what is not JSON is refused with the place, and with how to mend it', t => {
  const error = t.throws(() => parseLock('<<<<<<< HEAD'), {
    code: 'LOCK_INVALID',
    message: /^flake-free\.lock: it is not JSON: /,
  })
  t.regex((error as { hint?: string } | undefined)?.hint ?? '', /mixos lock update/)
})

function withPin(change: unknown): object {
  const pin = typeof change === 'object' ? { ...pinData, ...change } : change
  return { version: 1, pins: { zlib: pin }, seeds: {} }
}

function withSeed(names: unknown): object {
  return { version: 1, pins: { zlib: pinData }, seeds: { build: names } }
}
