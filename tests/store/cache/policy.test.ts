import test from 'ava'
import fc from 'fast-check'
import {
  type DerivationHash,
  type ObjectHash,
  type ResolvedHash,
  storePathOf,
} from '../../../graph/store-path.ts'
import { generateKey, type PublicKey, type SecretKey } from '../../../store/cache/keys.ts'
import { judge, type Testimony, trustPolicy, type Verdict } from '../../../store/cache/policy.ts'
import { signTrace } from '../../../store/cache/signed-trace.ts'
import { nodeHost } from '../../../store/hosts/node.ts'

const named = (name: string): SecretKey => generateKey(nodeHost, name)
const alice = named('alice')
const bob = named('bob')
const carol = named('carol')
const eve = named('eve')
const all = [alice, bob, carol].map(key => key.public)
const anyOf = (threshold: number) => trustPolicy({ keys: all, threshold }, 'x')

test('one trusted signer is enough where one is asked for', t => {
  t.deepEqual(told(judge(anyOf(1), [says(bob, '1')])), { agreed: '1 bob', but: [] })
})

test('as many as asked for are enough, and what others say is told', t => {
  const testimonies = [says(alice, '2'), says(carol, '1'), says(bob, '1')]
  t.deepEqual(told(judge(anyOf(2), testimonies)), { agreed: '1 bob carol', but: ['2 alice'] })
})

test('one fewer than asked for is not enough', t => {
  t.deepEqual(told(judge(anyOf(3), [says(alice, '1'), says(bob, '1')])), {
    unsettled: ['1 alice bob'],
  })
})

test('nothing said settles nothing', t => {
  t.deepEqual(told(judge(anyOf(1), [])), { unsettled: [] })
})

test('two answers with enough signers each are a conflict, also if one has more', t => {
  const testimonies = [says(alice, '1'), says(bob, '2'), says(carol, '2')]
  t.deepEqual(told(judge(anyOf(1), testimonies)), { conflict: ['2 bob carol', '1 alice'] })
})

test('who says the same twice counts once', t => {
  const testimonies = [says(alice, '1'), says(alice, '1', { resolved: 'b' })]
  t.deepEqual(told(judge(anyOf(2), testimonies)), { unsettled: ['1 alice'] })
})

test('who says the same under two names counts once', t => {
  const other = { ...says(alice, '1'), key: { ...alice.public, name: 'alice-2' } }
  t.deepEqual(told(judge(anyOf(2), [says(alice, '1'), other])), { unsettled: ['1 alice'] })
})

test('who says two things is heard for both', t => {
  const testimonies = [says(alice, '1'), says(alice, '2'), says(bob, '1')]
  t.deepEqual(told(judge(anyOf(2), testimonies)), { agreed: '1 alice bob', but: ['2 alice'] })
  t.deepEqual(told(judge(anyOf(1), testimonies)), { conflict: ['1 alice bob', '2 alice'] })
})

test('a key that the policy does not name is not heard, whatever it is called', t => {
  const asAlice = { ...says(eve, '1'), key: { ...eve.public, name: 'alice' } }
  t.deepEqual(told(judge(anyOf(1), [asAlice])), { unsettled: [] })
  t.deepEqual(told(judge(anyOf(2), [asAlice, says(alice, '1')])), { unsettled: ['1 alice'] })
  t.deepEqual(told(judge(anyOf(1), [asAlice, says(bob, '2')])), { agreed: '2 bob', but: [] })
})

test('who agrees on one output and not on the other does not agree', t => {
  const more = says(bob, '1', { dev: '2' })
  const less = says(alice, '1', { dev: '3' })
  t.is(judge(anyOf(2), [more, less]).type, 'unsettled')
  t.is(judge(anyOf(2), [more, says(alice, '1')]).type, 'unsettled')
  t.is(judge(anyOf(2), [more, says(alice, '1', { dev: '2' })]).type, 'agreed')
})

test('objects that differ behind the part that paths show differ', t => {
  const near = says(bob, '1')
  const hash = `${'1'.repeat(63)}2` as ObjectHash
  const out = { path: storePathOf(hash, 'a-1'), hash }
  const trace = { ...near.trace, outputs: { out } }
  t.is(out.path, near.trace.outputs.out?.path as never)
  t.is(judge(anyOf(2), [says(alice, '1'), { ...near, trace }]).type, 'unsettled')
})

test('what a step resolved to is believed if enough say so, and not on the word of one of them', t => {
  const resolvedBy = (threshold: number, ...testimonies: Testimony[]): string | undefined => {
    const verdict = judge(anyOf(threshold), testimonies)
    return verdict.type === 'agreed' ? verdict.claim.resolved : verdict.type
  }
  const honest = says(alice, '1', { resolved: 'a' })
  const lying = says(bob, '1', { resolved: 'b' })
  t.is(resolvedBy(1, honest), 'a'.repeat(64))
  t.is(resolvedBy(2, honest, lying), undefined)
  t.is(resolvedBy(1, honest, lying), undefined)
  t.is(resolvedBy(2, honest, lying, says(carol, '1', { resolved: 'a' })), 'a'.repeat(64))
})

test('the order in which signers are heard decides nothing', t => {
  const testimony = fc
    .constantFrom(alice, bob, carol, eve)
    .chain(key =>
      fc
        .tuple(fc.constantFrom('1', '2', '3'), fc.constantFrom('a', 'b'))
        .map(([object, resolved]) => says(key, object, { resolved })),
    )
  const heard = fc
    .array(testimony, { maxLength: 8 })
    .chain(list =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    )
  fc.assert(
    fc.property(heard, fc.integer({ min: 1, max: 3 }), ([list, shuffled], threshold) => {
      const verdict = judge(anyOf(threshold), list)
      t.deepEqual(judge(anyOf(threshold), shuffled), verdict)
      const supported = ['1', '2', '3'].filter(object => {
        const said = list.filter(({ trace }) => trace.outputs.out?.hash === object.repeat(64))
        const ids = said.map(({ key }) => key.id).filter(id => id !== eve.public.id)
        return new Set(ids).size >= threshold
      })
      const types = ['unsettled', 'agreed', 'conflict', 'conflict'] as const
      t.is(verdict.type, types[supported.length] as never)
    }),
    { numRuns: 100 },
  )
})

const renamed: PublicKey = { ...alice.public, name: 'alice-2' }
for (const [what, keys, threshold, message] of [
  ['a threshold of 0', all, 0, 'the threshold is 0, expected 1 or more'],
  ['a threshold below 0', all, -1, 'the threshold is -1, expected 1 or more'],
  ['half a key', all, 1.5, 'the threshold is 1.5, expected 1 or more'],
  ['more keys than there are', all, 4, 'the threshold is 4, more than its number of keys, 3'],
  ['one of no keys', [], 1, 'the threshold is 1, more than its number of keys, 0'],
  [
    'a key twice',
    [...all, alice.public],
    1,
    `alice and alice are the same key, ${alice.public.id}`,
  ],
  [
    'a key under two names',
    [...all, renamed],
    2,
    `alice and alice-2 are the same key, ${alice.public.id}`,
  ],
] as const) {
  test(`a policy of ${what} is refused`, t => {
    t.throws(() => trustPolicy({ keys, threshold }, 'caches[0]'), {
      code: 'SETTINGS_INVALID',
      message: `caches[0]: ${message}`,
    })
  })
}

test('a policy does not change when the list that it was made of does', t => {
  const keys = [alice.public, bob.public]
  const policy = trustPolicy({ keys, threshold: 2 }, 'x')
  keys[1] = eve.public
  t.is(judge(policy, [says(alice, '1'), says(eve, '1')]).type, 'unsettled')
})

/** That the step gave the object of that digit. */
function says(key: SecretKey, object: string, { resolved = 'e', dev = '' } = {}): Testimony {
  const outputOf = (digit: string, label: string) => {
    const hash = digit.repeat(64) as ObjectHash
    return { path: storePathOf(hash, label), hash }
  }
  const statement = {
    label: 'a-1',
    derivation: 'd'.repeat(64) as DerivationHash,
    resolved: resolved.repeat(64) as ResolvedHash,
    outputs: { out: outputOf(object, 'a-1'), ...(dev && { dev: outputOf(dev, 'a-1-dev') }) },
  }
  return { key: key.public, trace: signTrace(statement, key, 0) }
}

/** A verdict in few words: the object's digit and who says so. */
function told(verdict: Verdict): unknown {
  const shown = ({ outputs, signers }: (Verdict & { type: 'conflict' })['claims'][number]) =>
    [outputs.out?.hash[0], ...signers.map(({ name }) => name)].join(' ')
  if (verdict.type !== 'agreed') return { [verdict.type]: verdict.claims.map(shown) }
  return { agreed: shown(verdict.claim), but: verdict.disagreements.map(shown) }
}
