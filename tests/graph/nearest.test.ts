import test from 'ava'
import { nearest } from '../../graph/nearest.ts'

test('the nearest name is the one with the fewest letters to change', t => {
  t.is(nearest('bussybox', ['musl', 'busybox', 'bubblewrap']), 'busybox')
})

test('nothing is near where there is nothing', t => {
  t.is(nearest('busybox', []), undefined)
})
