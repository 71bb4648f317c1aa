import { DirectedGraph } from 'graphology'
import { type Derivation, labelOf } from './derivation.ts'
import { hashDerivation } from './hash.ts'
import type { DerivationHash } from './store-path.ts'

export interface StepAttributes {
  readonly derivation: Derivation
  readonly label: string
}

/** Steps by DerivationHash; an edge goes from an input to what depends on it. */
export type StepGraph = DirectedGraph<StepAttributes>

/** The roots and all they depend on, as a DAG. */
export function graphOf(roots: readonly Derivation[]): StepGraph {
  const graph: StepGraph = new DirectedGraph({ allowSelfLoops: false })
  const add = (derivation: Derivation): DerivationHash => {
    const hash = hashDerivation(derivation)
    if (!graph.hasNode(hash)) {
      graph.addNode(hash, { derivation, label: labelOf(derivation) })
      stack.push(derivation)
    }
    return hash
  }
  const stack: Derivation[] = []
  for (const root of roots) add(root)
  for (let drv = stack.pop(); drv; drv = stack.pop()) {
    const dependent = hashDerivation(drv)
    for (const input of Object.values(drv.inputs)) {
      graph.mergeEdge(add(input.derivation), dependent)
    }
  }
  return graph
}
