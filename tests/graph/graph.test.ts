import test from 'ava'
import { output } from '../../graph/derivation.ts'
import { graphOf } from '../../graph/graph.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { chain, diamond, step } from '../helpers/recipes.ts'

test('a graph holds each step once, by its hash, with its label', t => {
  const { top, bottom } = diamond()
  const graph = graphOf([top, bottom])
  t.deepEqual(graph.mapNodes((_, { label }) => label).sort(), [
    'bottom-1',
    'left-1',
    'right-1',
    'top-1',
  ])
  t.is(graph.getNodeAttribute(hashDerivation(top), 'derivation'), top)
})

test('an edge goes from an input to what depends on it', t => {
  const { top, left, right, bottom } = diamond()
  const graph = graphOf([top])
  const [above, below] = [hashDerivation(top), hashDerivation(bottom)]
  t.is(graph.size, 4)
  t.deepEqual(graph.outNeighbors(below).sort(), [left, right].map(hashDerivation).sort())
  t.deepEqual(graph.outNeighbors(above), [])
  t.true(graph.hasDirectedEdge(below, hashDerivation(left)))
})

test('two outputs of one step are one edge', t => {
  const lib = step('lib', { outputs: ['out', 'dev'] })
  const app = step('app', { inputs: { lib, headers: output(lib, 'dev') } })
  t.is(graphOf([app]).size, 1)
})

test('a long chain has a graph', t => {
  t.is(graphOf([chain(20_000)]).order, 20_000)
})

test('no roots make an empty graph', t => {
  t.is(graphOf([]).order, 0)
})
