import test from 'ava'
import { MixosError } from '../../graph/error.ts'

test('an error carries its code, its hint and its cause', t => {
  const cause = new Error('no space left')
  const error = new MixosError('DISK_FULL', 'cannot write a', { hint: 'free some', cause })
  t.true(error instanceof Error)
  t.like(error, { name: 'MixosError', code: 'DISK_FULL', message: 'cannot write a', cause })
  t.is(error.hint, 'free some')
})

test('an error without a cause has none', t => {
  const error = new MixosError('CYCLE', 'a cycle')
  t.false('cause' in error)
  t.is(error.hint, undefined)
})
