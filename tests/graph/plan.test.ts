import test from 'ava'
import type { Derivation } from '../../graph/derivation.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { type Known, type Plan, plan } from '../../graph/plan.ts'
import { type ObjectHash, storePathOf } from '../../graph/store-path.ts'
import { chain, diamond, fetchOfA, step } from '../helpers/recipes.ts'

const path = storePathOf('0'.repeat(64) as ObjectHash, 'any-1')
const nothing: Known = () => undefined

test('what is not known is fetched or built, each step after all it needs', t => {
  const app = step('app', { inputs: { source: fetchOfA(), top: diamond().top } })
  t.deepEqual(actionsOf(plan([app], nothing)), [
    'fetch a',
    'build bottom',
    'build left',
    'build right',
    'build top',
    'build app',
  ])
})

test('what is here is reused, and what it was made from is not part of the plan', t => {
  const { top, left, right, bottom } = diamond()
  t.deepEqual(actionsOf(plan([top], here(left, right))), ['reuse left', 'reuse right', 'build top'])
  t.deepEqual(actionsOf(plan([top], here(top, bottom))), ['reuse top'])
})

test('what is only known is substituted, and what it was made from is not part of the plan', t => {
  const { top } = diamond()
  const { steps } = plan([top], known([top], { isPresent: false }))
  t.deepEqual(steps, [
    { derivation: top, hash: hashDerivation(top), action: 'substitute', outputs: { out: path } },
  ])
})

test('a step that is here and one that needs it are both planned where both are roots', t => {
  const { top, bottom } = diamond()
  t.deepEqual(actionsOf(plan([top, bottom], here(bottom))), [
    'reuse bottom',
    'build left',
    'build right',
    'build top',
  ])
})

test('a step to take again is built where it is known, from inputs that are reused', t => {
  const { top, left, right, bottom } = diamond()
  const planned = plan([top], here(top, left, right, bottom), new Set([top]))
  t.deepEqual(actionsOf(planned), ['reuse left', 'reuse right', 'build top'])
})

test('a step made twice is planned once', t => {
  const app = step('app', { inputs: { one: fetchOfA(), two: fetchOfA() } })
  t.deepEqual(actionsOf(plan([app, fetchOfA()], nothing)), ['fetch a', 'build app'])
})

test('each step is looked up once', t => {
  const asked: string[] = []
  const { top } = diamond()
  plan([top, top], hash => void asked.push(hash))
  t.is(asked.length, 4)
  t.is(new Set(asked).size, 4)
})

test('a plan is the same every time', t => {
  const { top } = diamond()
  t.deepEqual(plan([top], nothing), plan([top], nothing))
})

test('a long chain has a plan', t => {
  t.is(plan([chain(20_000)], nothing).steps.length, 20_000)
})

test('nothing to realize is nothing to do', t => {
  t.deepEqual(plan([], nothing), { steps: [] })
})

function here(...derivations: Derivation[]): Known {
  return known(derivations, { isPresent: true })
}

function known(derivations: Derivation[], { isPresent }: { isPresent: boolean }): Known {
  const hashes = new Set(derivations.map(hashDerivation))
  return hash => (hashes.has(hash) ? { outputs: { out: path }, isPresent } : undefined)
}

function actionsOf({ steps }: Plan): string[] {
  return steps.map(({ action, derivation }) => `${action} ${derivation.name}`)
}
