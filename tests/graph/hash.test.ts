import test from 'ava'
import fc from 'fast-check'
import { type DerivationSpec, derivation, output } from '../../graph/derivation.ts'
import { explainDerivation, hashDerivation, hashResolved } from '../../graph/hash.ts'
import type { ObjectHash } from '../../graph/store-path.ts'
import { chain, fetchOfA, step } from '../helpers/recipes.ts'

const objectOf = (digit: string) => digit.repeat(64) as ObjectHash

const lib = step('lib', { outputs: ['out', 'dev'] })
const base: DerivationSpec = {
  name: 'app',
  version: '1',
  builder: ['/bin/sh', '-c', 'true'],
  env: { A: 'a', B: 'b' },
  inputs: { lib, other: step('other') },
  outputs: ['out', 'doc'],
}

const changes: Record<string, Partial<DerivationSpec>> = {
  name: { name: 'app2' },
  version: { version: '2' },
  'an argument': { builder: ['/bin/sh', '-c', 'false'] },
  'the order of arguments': { builder: ['/bin/sh', 'true', '-c'] },
  'one argument cut in two': { builder: ['/bin/sh', '-', 'c', 'true'] },
  'an empty argument more': { builder: ['/bin/sh', '-c', 'true', ''] },
  'the value of a variable': { env: { A: 'b', B: 'b' } },
  'the name of a variable': { env: { A: 'a', C: 'b' } },
  'a variable less': { env: { A: 'a' } },
  'an input': { inputs: { lib, other: step('third') } },
  'the name of an input': { inputs: { lib, second: step('other') } },
  'the output of an input': { inputs: { lib: output(lib, 'dev'), other: step('other') } },
  'an input less': { inputs: { lib } },
  'inputs the other way round': { inputs: { lib: step('other'), other: lib } },
  outputs: { outputs: ['out', 'dev'] },
  'the order of outputs': { outputs: ['doc', 'out'] },
}

for (const [what, change] of Object.entries(changes)) {
  test(`a change of ${what} changes the hash and the explanation`, t => {
    const [before, after] = [derivation(base), derivation({ ...base, ...change })]
    t.not(hashDerivation(after), hashDerivation(before))
    t.not(explainDerivation(after), explainDerivation(before))
  })
}

test('a change of any field of a fetch changes the hash', t => {
  const { fetch, ...rest } = fetchOfA()
  const hashOf = (change: object) =>
    hashDerivation(derivation({ ...rest, fetch: { ...fetch, ...change } as typeof fetch & object }))
  const hashes = [
    hashOf({}),
    hashOf({ urls: ['mirror://debian/b'] }),
    hashOf({ urls: ['mirror://debian/a', 'mirror://debian/b'] }),
    hashOf({ urls: ['mirror://debian/b', 'mirror://debian/a'] }),
    hashOf({ hash: `sha256:${'0'.repeat(64)}` }),
    hashOf({ size: 2 }),
  ]
  t.is(new Set(hashes).size, hashes.length)
})

test('a change far below changes every hash above', t => {
  const above = (bottom: string) => {
    let drv = step(bottom)
    for (let index = 0; index < 10; index++) drv = step('same', { inputs: { before: drv } })
    return hashDerivation(drv)
  }
  t.not(above('one'), above('two'))
})

test('the order in which env and inputs are given does not matter', t => {
  const reversed = (record: object) => Object.fromEntries(Object.entries(record).reverse())
  const again = derivation({
    ...base,
    env: reversed(base.env as object),
    inputs: reversed(base.inputs as object),
  } as DerivationSpec)
  t.is(hashDerivation(again), hashDerivation(derivation(base)))
})

test('a text that looks like framing does not pass for it', t => {
  const hashOf = (...builder: string[]) =>
    hashDerivation(step('framed', { builder: ['/bin/sh', ...builder] }))
  const hashes = [hashOf('ab', 'c'), hashOf('a', 'bc'), hashOf('a9:builder.22:bc'), hashOf('abc')]
  t.is(new Set(hashes).size, hashes.length)
})

const specs = fc.record({
  version: fc.stringMatching(/^[a-z0-9][a-z0-9+._-]{0,8}$/),
  args: fc.array(fc.string({ unit: 'binary' }).filter(isText), { maxLength: 4 }),
  env: fc.dictionary(
    fc.stringMatching(/^[A-Z_]{1,4}$/),
    fc.string({ unit: 'grapheme' }).filter(isText),
    { maxKeys: 4 },
  ),
})

test('two derivations have one hash exactly if they have one explanation', t => {
  const make = ({ version, args, env }: { version: string; args: string[]; env: object }) =>
    step('any', { version, builder: ['/bin/sh', ...args], env: env as Record<string, string> })
  fc.assert(
    fc.property(specs, specs, (one, two) => {
      const [a, b] = [make(one), make(two)]
      const haveOneText = explainDerivation(a) === explainDerivation(b)
      return haveOneText === (hashDerivation(a) === hashDerivation(b))
    }),
  )
  t.pass()
})

test('cutting a text elsewhere always gives another hash', t => {
  const texts = fc.string({ unit: 'binary', minLength: 1 }).filter(isText)
  fc.assert(
    fc.property(texts, fc.nat(), fc.nat(), (text, one, two) => {
      const cut = (at: number) => [text.slice(0, at), text.slice(at)]
      const [a, b] = [cut(one % text.length), cut(two % text.length)]
      fc.pre(a[0] !== b[0] && [...a, ...b].every(part => part?.isWellFormed()))
      const hashOf = (args: string[]) =>
        hashDerivation(step('cut', { builder: ['/bin/sh', ...args] }))
      return hashOf(a) !== hashOf(b)
    }),
  )
  t.pass()
})

test('an explanation has one line for each hashed field, in the order of hashing', t => {
  const drv = step('app', {
    builder: ['/bin/sh', '-c', 'one\ntwo'],
    env: { B: 'b', A: 'a' },
    inputs: { lib: output(lib, 'dev') },
  })
  t.is(
    explainDerivation(drv),
    [
      'format = "mixos-derivation-1"',
      'name = "app"',
      'version = "1"',
      'system = "x86_64-linux"',
      'builder.0 = "/bin/sh"',
      'builder.1 = "-c"',
      'builder.2 = "one\\ntwo"',
      'env.A = "a"',
      'env.B = "b"',
      `input.lib = "${hashDerivation(lib)}!dev"`,
      'output.0 = "out"',
    ].join('\n'),
  )
})

test('the resolved hash follows the objects of the inputs, not how they were made', t => {
  const one = step('app', { inputs: { tool: step('tool') } })
  const two = step('app', { inputs: { tool: step('tool', { version: '2' }) } })
  t.not(hashDerivation(one), hashDerivation(two))
  t.is(
    hashResolved(one, () => objectOf('a')),
    hashResolved(two, () => objectOf('a')),
  )
  t.not(
    hashResolved(one, () => objectOf('a')),
    hashResolved(one, () => objectOf('b')),
  )
})

test('the resolved hash still tells which input is which', t => {
  const drv = step('app', { inputs: { a: step('one'), b: step('two') } })
  const hashOf = (one: string, two: string) =>
    hashResolved(drv, input => objectOf(input.derivation.name === 'one' ? one : two))
  t.not(hashOf('1', '2'), hashOf('2', '1'))
})

test('a hash is of derivations only', t => {
  t.throws(() => hashDerivation({ ...step('app') }), {
    message: 'app was not made by derivation()',
  })
})

test('a chain longer than the call stack has a hash', t => {
  t.regex(hashDerivation(chain(20_000)), /^[0-9a-f]{64}$/)
})

function isText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}
