import test from 'ava'
import type { MixosError } from '../../graph/error.ts'
import { override } from '../../graph/override.ts'
import { type Definitions, packageSet } from '../../graph/package-set.ts'
import { step } from '../helpers/recipes.ts'

test('a package is made when it is first asked for, and once', t => {
  const made: string[] = []
  const define = (name: string) => () => {
    made.push(name)
    return step(name)
  }
  const packages = packageSet({ one: define('one'), two: define('two') })
  t.deepEqual(made, [])
  t.is(packages.get('one'), packages.get('one'))
  t.deepEqual(made, ['one'])
})

test('the names are known without making anything, and sorted', t => {
  const fails = (): never => t.fail()
  t.deepEqual(packageSet({ b: fails }, { a: fails, c: fails }).names, ['a', 'b', 'c'])
})

test('a package gets others by their names', t => {
  const packages = packageSet({
    app: ({ get }) => step('app', { inputs: { lib: get('lib') } }),
    lib: () => step('lib'),
  })
  t.is(packages.get('app').inputs.lib?.derivation, packages.get('lib'))
})

test('a later layer replaces a package, also for those that depend on it', t => {
  const first: Definitions = {
    app: ({ get }) => step('app', { inputs: { lib: get('lib') } }),
    lib: () => step('lib'),
  }
  const packages = packageSet(first, {
    lib: () => override(step('lib'), draft => Object.assign(draft, { version: '2' })),
  })
  t.is(packages.get('app').inputs.lib?.derivation.version, '2')
})

test('in its own definition, the name of a package is the one that it replaces', t => {
  const set = packageSet(
    { a: () => step('a'), top: ({ get }) => step('top', { inputs: { a: get('a') } }) },
    { a: ({ get }) => override(get('a'), draft => Object.assign(draft, { version: '2' })) },
    { a: ({ get }) => override(get('a'), draft => Object.assign(draft.env, { x: '3' })) },
  )
  t.like(set.get('a'), { name: 'a', version: '2', env: { x: '3' } })
  t.is(set.get('top').inputs.a?.derivation, set.get('a'))
})

test('a package that replaces one and reaches itself by way of another is a cycle', t => {
  const set = packageSet(
    { a: () => step('a'), b: ({ get }) => step('b', { inputs: { a: get('a') } }) },
    { a: ({ get }) => step('a', { inputs: { b: get('b') } }) },
  )
  t.throws(() => set.get('a'), { code: 'CYCLE', message: /a -> b -> a/ })
})

test('a cycle is reported as the way round, without the way to it', t => {
  const needing =
    (name: string): Definitions[string] =>
    ({ get }) =>
      get(name)
  const packages = packageSet({ a: needing('b'), b: needing('c'), c: needing('b') })
  t.throws(() => packages.get('a'), {
    code: 'CYCLE',
    message: 'packages depend on each other in a cycle: b -> c -> b',
  })
})

test('a failure leaves the set as it was', t => {
  let fails = true
  const packages = packageSet({
    app: ({ get }) => get('lib'),
    lib: () => {
      if (fails) throw new Error('not yet')
      return step('lib')
    },
  })
  t.throws(() => packages.get('app'), { message: 'not yet' })
  fails = false
  t.is(packages.get('app').name, 'lib')
})

test('an unknown name is refused with the nearest one', t => {
  const packages = packageSet({ busybox: () => step('busybox'), musl: () => step('musl') })
  const error = t.throws<MixosError>(() => packages.get('bussybox'), {
    code: 'NAME_UNKNOWN',
    message: 'unknown package "bussybox"',
  })
  t.is(error?.hint, 'did you mean busybox?')
  const other = t.throws<MixosError>(() => packages.get('nginx'), { code: 'NAME_UNKNOWN' })
  t.is(other?.hint, 'known: busybox, musl')
})

test('names that every object has are unknown like others', t => {
  for (const name of ['constructor', '__proto__']) {
    const error = t.throws<MixosError>(() => packageSet().get(name), { code: 'NAME_UNKNOWN' })
    t.is(error?.hint, 'the recipes define no packages')
  }
})

test('a recipe that returns no derivation is refused with what it returns', t => {
  const results: Record<string, unknown> = {
    'a string': 'hello',
    'an object': { name: 'hello' },
    'a list': [],
    undefined,
    null: null,
  }
  for (const [kind, result] of Object.entries(results)) {
    const packages = packageSet({ hello: (() => result) as unknown as Definitions[string] })
    t.throws(() => packages.get('hello'), {
      code: 'RECIPE_INVALID',
      message: `package hello is ${kind}, not a derivation`,
    })
  }
})
