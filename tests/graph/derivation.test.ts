import test from 'ava'
import {
  type Derivation,
  type DerivationSpec,
  derivation,
  firstOutput,
  isDerivation,
  labelOf,
  output,
} from '../../graph/derivation.ts'
import { fetchOfA, step } from '../helpers/recipes.ts'

const spec: DerivationSpec = { name: 'hello', version: '1.0', builder: ['/bin/sh', '-c', 'true'] }

test('a derivation has one output, for one system, unless said otherwise', t => {
  t.deepEqual(derivation(spec), {
    name: 'hello',
    version: '1.0',
    system: 'x86_64-linux',
    builder: ['/bin/sh', '-c', 'true'],
    env: {},
    inputs: {},
    outputs: ['out'],
  })
})

test('a derivation is frozen all the way down', t => {
  const drv = step('hello', { env: { A: 'a' }, inputs: { a: fetchOfA() } })
  const isFrozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isFrozen))
  t.true(isFrozen(drv))
})

test('a derivation does not follow later changes of what it was made from', t => {
  const env = { A: 'a' }
  const builder = ['/bin/sh']
  const drv = derivation({ ...spec, builder, env })
  env.A = 'b'
  builder.push('-c')
  t.deepEqual([drv.env, drv.builder], [{ A: 'a' }, ['/bin/sh']])
})

test('env and inputs are sorted, builder and outputs keep their order', t => {
  const [one, two] = [step('one'), step('two')]
  const drv = derivation({
    ...spec,
    env: { B: 'b', A: 'a' },
    inputs: { two, one },
    outputs: ['out', 'dev'],
  })
  t.deepEqual(Object.keys(drv.env), ['A', 'B'])
  t.deepEqual(Object.keys(drv.inputs), ['one', 'two'])
  t.deepEqual(drv.outputs, ['out', 'dev'])
})

test('equal derivations are one value', t => {
  t.is(derivation(spec), derivation({ ...spec, env: {} }))
  t.not(derivation(spec), derivation({ ...spec, version: '1.1' }))
})

test('an input is given as a derivation, which stands for its first output, or as an output', t => {
  const lib = step('lib', { outputs: ['out', 'dev'] })
  const { inputs } = step('app', { inputs: { lib, headers: output(lib, 'dev') } })
  t.deepEqual(Object.entries(inputs), [
    ['headers', { derivation: lib, output: 'dev' }],
    ['lib', { derivation: lib, output: 'out' }],
  ])
})

test('only the first output has a label without its name', t => {
  const lib = step('lib', { version: '2.1', outputs: ['bin', 'dev'] })
  t.is(firstOutput(lib), 'bin')
  t.is(labelOf(lib), 'lib-2.1')
  t.is(labelOf(lib, 'bin'), 'lib-2.1')
  t.is(labelOf(lib, 'dev'), 'lib-2.1-dev')
})

test('an output that a derivation lacks is refused with those it has', t => {
  t.throws(() => output(step('lib', { outputs: ['out', 'dev'] }), 'doc'), {
    code: 'DERIVATION_INVALID',
    message: 'lib-1 has no output "doc"',
  })
})

test('only what derivation() made is a derivation', t => {
  const drv = derivation(spec)
  t.true(isDerivation(drv))
  for (const other of [{ ...drv }, undefined, null, 'hello', []]) t.false(isDerivation(other))
})

const refused: Record<string, readonly [change: object, message: string]> = {
  'an empty name': [{ name: '' }, 'derivation "": invalid name ""'],
  'a name with a slash': [{ name: 'a/b' }, 'derivation "a/b": invalid name "a/b"'],
  'a name that begins with a dot': [{ name: '.a' }, 'invalid name ".a"'],
  'a name with a line break': [{ name: 'a\n' }, 'invalid name "a\\n"'],
  'no name': [{ name: undefined }, 'a derivation: its name is missing'],
  'no version': [{ version: undefined }, 'derivation "hello": its version is missing'],
  'a version with a colon': [{ version: '1:2' }, 'invalid version "1:2"'],
  'a version that is a number': [{ version: 1 }, 'invalid version 1'],
  'a label too long for a file name': [
    { name: 'a'.repeat(120), version: '1'.repeat(120) },
    'is too long for a store path',
  ],
  'no builder': [{ builder: undefined }, 'builder is not a list, or empty'],
  'an empty builder': [{ builder: [] }, 'builder is not a list, or empty'],
  'a builder that is a text': [{ builder: '/bin/sh' }, 'builder is not a list, or empty'],
  'an empty program': [{ builder: [''] }, 'cannot run ""'],
  'a program without a path': [{ builder: ['sh'] }, 'cannot run "sh"'],
  'a program of an input that is not there': [{ builder: ['tool/sh'] }, 'cannot run "tool/sh"'],
  'a program that every object has': [{ builder: ['valueOf/x'] }, 'cannot run "valueOf/x"'],
  'an argument that is a number': [{ builder: ['/bin/sh', 1] }, 'builder holds 1, not a text'],
  'an argument with a NUL byte': [
    { builder: ['/bin/sh', 'a\0b'] },
    'builder holds a NUL byte or half a character: "a\\u0000b"',
  ],
  'a variable with a NUL byte': [{ env: { A: '\0' } }, 'env.A holds a NUL byte'],
  'a variable with half a character': [{ env: { A: '\ud800' } }, 'env.A holds a NUL byte or half'],
  'a variable that is a number': [{ env: { A: 1 } }, 'env.A holds 1, not a text'],
  'a variable with a dash': [{ env: { 'A-B': '' } }, 'invalid environment variable "A-B"'],
  'a variable named __proto__': [
    { env: JSON.parse('{"__proto__":""}') },
    'invalid environment variable "__proto__"',
  ],
  'an input named __proto__': [
    { inputs: JSON.parse('{"__proto__":{}}') },
    'invalid input name "__proto__"',
  ],
  'an input with a capital': [{ inputs: { Lib: step('lib') } }, 'invalid input name "Lib"'],
  'an input that is a text': [
    { inputs: { lib: 'lib' } },
    'input lib: expected a derivation or one of its outputs',
  ],
  'an input that is missing': [{ inputs: { lib: undefined } }, 'input lib: expected a derivation'],
  'an input that is null': [{ inputs: { lib: null } }, 'input lib: expected a derivation'],
  'an input that was not made by derivation()': [
    { inputs: { lib: { ...step('lib') } } },
    'input lib: expected a derivation',
  ],
  'no outputs': [{ outputs: [] }, 'outputs is not a list, or empty'],
  'an output with a dash': [{ outputs: ['a-b'] }, 'invalid output name "a-b"'],
  'an output twice': [{ outputs: ['out', 'out'] }, 'out is used twice'],
  'an output named like an input': [{ inputs: { out: step('lib') } }, 'out is used twice'],
  'a variable named like an input': [
    { inputs: { lib: step('lib') }, env: { lib: '' } },
    'lib is used twice among its inputs, outputs and env',
  ],
  'a variable named like an output': [{ env: { out: '' } }, 'out is used twice'],
  'a fetch by another builder': [
    { fetch: fetchOfA().fetch },
    'builtin:fetch-url and fetch go together',
  ],
  'a misspelled field': [{ enviroment: {} } as object, 'unknown field "enviroment"'],
  'a fetch of nothing': [{ builder: ['builtin:fetch-url'] }, 'go together'],
  'a fetch without URLs': [fetching({ urls: [] }), 'fetch.urls is not a list, or empty'],
  'a fetch by another hash': [fetching({ hash: 'md5:0' }), 'invalid fetch.hash "md5:0"'],
  'a fetch with a negative size': [fetching({ size: -1 }), 'invalid fetch.size -1'],
}

for (const [what, [change, message]] of Object.entries(refused)) {
  test(`${what} is refused`, t => {
    const error = t.throws(() => derivation({ ...spec, ...change } as DerivationSpec), {
      code: 'DERIVATION_INVALID',
    })
    t.true(error?.message.includes(message), error?.message)
  })
}

test('names that every object has are names like others', t => {
  const drv = derivation({ ...spec, outputs: ['constructor'], env: { toString: '' } })
  t.deepEqual(drv.outputs, ['constructor'])
})

test('a program is a path in the root, a path in an input, or built in', t => {
  const inputs = { tool: step('tool') }
  for (const program of ['/bin/sh', 'tool/bin/sh', 'builtin:files']) {
    t.is(derivation({ ...spec, inputs, builder: [program] }).builder[0], program)
  }
})

function fetching(change: object): Partial<Derivation> {
  const { fetch } = fetchOfA()
  return { builder: ['builtin:fetch-url'], fetch: { ...fetch, ...change } as Derivation['fetch'] }
}
