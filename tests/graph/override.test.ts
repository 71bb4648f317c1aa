import test from 'ava'
import { hashDerivation } from '../../graph/hash.ts'
import { override } from '../../graph/override.ts'
import { fetchOfA, step } from '../helpers/recipes.ts'

const [lib, other] = [step('lib'), step('other')]
const app = step('app', { env: { A: 'a' }, inputs: { lib, other } })

test('an override changes a copy, and nothing else of it', t => {
  const changed = override(app, draft => {
    draft.env.B = 'b'
  })
  t.deepEqual(changed, { ...app, env: { A: 'a', B: 'b' } })
  t.deepEqual(app.env, { A: 'a' })
  t.not(hashDerivation(changed), hashDerivation(app))
})

test('the inputs left alone are shared', t => {
  const changed = override(app, draft => {
    draft.inputs.lib = step('lib', { version: '2' })
  })
  t.is(changed.inputs.lib?.derivation.version, '2')
  t.is(changed.inputs.other?.derivation, other)
})

test('an override that changes nothing is the derivation itself', t => {
  t.is(
    override(app, draft => {
      draft.version = '1'
    }),
    app,
  )
})

test('a change written as an expression works like one written as a statement', t => {
  t.deepEqual(override(app, draft => Object.assign(draft.env, { A: 'b' })).env, { A: 'b' })
  t.deepEqual(override(app, draft => delete draft.env.A).env, {})
})

test('the urls of a fetch are changed without touching its hash', t => {
  const changed = override(fetchOfA(), draft => {
    draft.fetch?.urls.push('https://example.org/a')
  })
  t.deepEqual(changed.fetch?.urls, ['mirror://debian/a', 'https://example.org/a'])
  t.is(changed.fetch?.hash, fetchOfA().fetch?.hash)
})

test('the result is validated like any other derivation', t => {
  const invalid = { code: 'DERIVATION_INVALID' }
  t.throws(() => override(app, draft => Object.assign(draft, { name: 'a/b' })), {
    ...invalid,
    message: /invalid name "a\/b"/,
  })
  t.throws(() => override(app, draft => Object.assign(draft.env, { lib: '' })), {
    ...invalid,
    message: /lib is used twice/,
  })
})
