import test from 'ava'
import type { SecretKey } from '../../../store/cache/keys.ts'
import {
  isSignedFor,
  type Json,
  type Metadata,
  type Signed,
  signedOf,
  signMetadata,
  tufKeyId,
  tufKeyOf,
} from '../../../store/repository/tuf.ts'
import { keysOf, NOW } from '../../helpers/repository.ts'

const [ours, others] = [keysOf('a').targets, keysOf('b').targets]
const idOf = (key: SecretKey): string => tufKeyId(tufKeyOf(key))
const targets = signedOf('targets', 1, NOW, { targets: {} })

test('metadata counts as signed with the signature of a key that the root names', t => {
  t.true(isSignedFor('targets', signedBy(ours), rootNaming([ours])))
  t.true(isSignedFor('targets', signedBy(ours, others), rootNaming([ours])))
  t.false(isSignedFor('targets', signedBy(others), rootNaming([ours])))
  t.false(isSignedFor('snapshot', signedBy(ours), rootNaming([ours])))
  t.false(isSignedFor('targets', { signed: targets, signatures: [] }, rootNaming([ours])))
})

test('a changed byte of what was signed makes it unsigned', t => {
  const { signatures } = signedBy(ours)
  const signed = { ...targets, version: 2 }
  t.false(isSignedFor('targets', { signed, signatures }, rootNaming([ours])))
})

test('of a threshold of two, one key that signs twice is one', t => {
  const root = rootNaming([ours, others], { threshold: 2 })
  t.true(isSignedFor('targets', signedBy(ours, others), root))
  const [once] = signedBy(ours).signatures
  t.false(isSignedFor('targets', { signed: targets, signatures: [once, once] as Json[] }, root))
})

test("another's key under the id of ours is not ours", t => {
  const keys = { [idOf(ours)]: tufKeyOf(others) }
  const [signature] = signedBy(others).signatures as [{ sig: string }]
  const signatures = [{ keyid: idOf(ours), sig: signature.sig }]
  t.false(isSignedFor('targets', { signed: targets, signatures }, rootNaming([ours], { keys })))
})

function signedBy(...keys: SecretKey[]): Metadata {
  return JSON.parse(signMetadata(targets, keys).toString())
}

function rootNaming(
  named: readonly SecretKey[],
  { threshold = 1, keys = {} }: { threshold?: number; keys?: Record<string, Json> } = {},
): Signed {
  return signedOf('root', 1, NOW, {
    keys: { ...Object.fromEntries(named.map(key => [idOf(key), tufKeyOf(key)])), ...keys },
    roles: { targets: { keyids: named.map(idOf), threshold } },
  })
}
