import test from 'ava'
import { closureOf, shortestPath, topologicalOrder } from '../../graph/closure.ts'

const LONG = 200_000

const tree: Record<string, readonly string[]> = {
  top: ['left', 'right'],
  left: ['bottom'],
  right: ['middle'],
  middle: ['bottom'],
  bottom: [],
  other: ['bottom'],
}
const needs = (node: string): readonly string[] => tree[node] ?? []
const next = (node: number): number[] => (node + 1 < LONG ? [node + 1] : [])

test('a closure holds the nodes and all they need, each once', t => {
  t.deepEqual([...closureOf(['top'], needs)], ['top', 'left', 'right', 'bottom', 'middle'])
  t.deepEqual([...closureOf(['other', 'bottom'], needs)], ['other', 'bottom'])
  t.deepEqual([...closureOf([], needs)], [])
})

test('a closure may go round in a circle', t => {
  t.deepEqual([...closureOf([0], node => [(node + 1) % 3])], [0, 1, 2])
})

test('the order puts every node after all it needs', t => {
  const order = topologicalOrder(['top', 'other'], needs)
  t.deepEqual(order, ['bottom', 'left', 'middle', 'right', 'top', 'other'])
})

test('a chain longer than the call stack has a closure, an order and a path', t => {
  t.is(closureOf([0], next).size, LONG)
  const order = topologicalOrder([0], next)
  t.is(order.length, LONG)
  t.is(order[0], LONG - 1)
  t.is(shortestPath(0, LONG - 1, next)?.length, LONG)
})

test('a cycle is reported as the way round, without the way to it', t => {
  const circle: Record<string, string[]> = { a: ['b'], b: ['c'], c: ['d'], d: ['b'] }
  t.throws(() => topologicalOrder(['a'], node => circle[node] ?? []), {
    code: 'CYCLE',
    message: 'a cycle: b -> c -> d -> b',
  })
})

test('a node that needs itself is a cycle, named as asked', t => {
  t.throws(
    () =>
      topologicalOrder(
        [7],
        node => [node],
        node => `node ${node}`,
      ),
    { code: 'CYCLE', message: 'a cycle: node 7 -> node 7' },
  )
})

test('a path is a shortest one, from the first to the last node', t => {
  t.deepEqual(shortestPath('top', 'bottom', needs), ['top', 'left', 'bottom'])
  t.deepEqual(shortestPath('top', 'top', needs), ['top'])
})

test('there is no path to what is not needed', t => {
  t.is(shortestPath('bottom', 'top', needs), undefined)
  t.is(shortestPath('top', 'other', needs), undefined)
})
