import test from 'ava'
import { exitCodeOf } from '../../cli/exit.ts'
import { MixosError } from '../../graph/error.ts'

test('what goes wrong while a failure is cleaned up does not change the exit code', t => {
  const [failed, bug] = [new MixosError('BUILD_FAILED', 'x'), new TypeError('y')]
  t.is(exitCodeOf(new SuppressedError(bug, failed)), 1)
  t.is(exitCodeOf(new SuppressedError(failed, bug)), 70)
})
