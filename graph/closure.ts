import { MixosError } from './error.ts'

/** What a node needs: of a step its inputs, of an object its references. */
export type Needs<N> = (node: N) => Iterable<N>

/** The nodes and all they need, directly or not, in the order in which they are found. */
export function closureOf<N>(nodes: Iterable<N>, needs: Needs<N>): Set<N> {
  const closure = new Set(nodes)
  // A Set's iterator also visits what is added on the way.
  for (const node of closure) for (const needed of needs(node)) closure.add(needed)
  return closure
}

/**
 * The closure with every node after all it needs; for equal input always in the same order.
 * Throws CYCLE with the nodes on it, in order, named by `name`.
 */
export function topologicalOrder<N>(
  nodes: Iterable<N>,
  needs: Needs<N>,
  name: (node: N) => string = String,
): N[] {
  const done = new Set<N>()
  const order: N[] = []
  // An explicit stack: a chain may be longer than the call stack.
  for (const root of nodes) {
    if (done.has(root)) continue
    const path = [{ node: root, rest: needs(root)[Symbol.iterator]() }]
    const onPath = new Set<N>([root])
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const next = top.rest.next()
      if (next.done) {
        path.pop()
        onPath.delete(top.node)
        done.add(top.node)
        order.push(top.node)
      } else if (onPath.has(next.value)) {
        const way = path.map(step => step.node)
        const cycle = [...way.slice(way.indexOf(next.value)), next.value]
        throw new MixosError('CYCLE', `a cycle: ${cycle.map(name).join(' -> ')}`)
      } else if (!done.has(next.value)) {
        path.push({ node: next.value, rest: needs(next.value)[Symbol.iterator]() })
        onPath.add(next.value)
      }
    }
  }
  return order
}

/** A shortest way from one node to another along what each needs; undefined where there is none. */
export function shortestPath<N>(from: N, to: N, needs: Needs<N>): N[] | undefined {
  const cameFrom = new Map<N, N | undefined>([[from, undefined]])
  for (const [node] of cameFrom) {
    if (node === to) {
      const way: N[] = []
      for (let step: N | undefined = node; step !== undefined; step = cameFrom.get(step))
        way.push(step)
      return way.reverse()
    }
    for (const needed of needs(node)) if (!cameFrom.has(needed)) cameFrom.set(needed, node)
  }
  return undefined
}
