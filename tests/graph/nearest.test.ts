import test from 'ava'
import { didYouMean } from '../../graph/nearest.ts'

const NAMES = ['base-files', 'bubblewrap', 'busybox', 'musl']

test('the nearest name is the one with the fewest letters to change', t => {
  t.is(didYouMean('bussybox', NAMES), 'did you mean busybox?')
  t.is(didYouMean('muls', NAMES), 'did you mean musl?')
  t.is(didYouMean('gti', ['curl', 'git']), 'did you mean git?')
})

test('a name that more than half would have to be changed of was not meant', t => {
  t.is(didYouMean('ngnix', NAMES), undefined)
})

test('nothing is near where there is nothing', t => {
  t.is(didYouMean('busybox', []), undefined)
})
