// Run by hand: node tests/bench/evaluate.ts
// What it costs to go from recipes to a plan, nothing cached. The goal is 100,000 steps in 1.5 s.
import { type Derivation, derivation } from '../../graph/derivation.ts'
import { graphOf } from '../../graph/graph.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { plan } from '../../graph/plan.ts'

const WIDTH = 2

console.log('   steps     make     hash    graph     plan    total      cpu      rss')
for (const count of [10_000, 100_000]) {
  const seconds: number[] = []
  const before = process.cpuUsage()
  const timed = <T>(work: () => T): T => {
    const start = performance.now()
    const result = work()
    seconds.push((performance.now() - start) / 1000)
    return result
  }
  const roots = timed(() => make(count))
  timed(() => roots.map(hashDerivation))
  timed(() => graphOf(roots))
  const { steps } = timed(() => plan(roots, () => undefined))
  if (steps.length !== count) throw new Error(`planned ${steps.length} of ${count} steps`)
  const total = seconds.reduce((sum, part) => sum + part)
  const { user, system } = process.cpuUsage(before)
  const columns = [...seconds, total, (user + system) / 1e6].map(part =>
    `${part.toFixed(3)} s`.padStart(9),
  )
  const rss = `${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`
  console.log(`${String(count).padStart(8)}${columns.join('')}${rss.padStart(9)}`)
}

/** Steps of which each has a root, a source and a few earlier steps as inputs; gives those nobody uses. */
function make(count: number): Derivation[] {
  const root = derivation({ name: 'root', version: '1', builder: ['builtin:files'] })
  const steps = [root]
  const unused = new Set(steps)
  for (let index = 1; index < count; index++) {
    const inputs: Record<string, Derivation> = { root }
    for (let input = 1; input <= WIDTH; input++) {
      inputs[`input${input}`] = steps[Math.floor((index * input) / (WIDTH + 1))] as Derivation
    }
    const step = derivation({
      name: `step${index}`,
      version: '1.0',
      builder: ['/bin/sh', '-eu', '-c', `printf %s "$text" >"$out"`],
      env: { text: `the text of step ${index}`, CFLAGS: '-O2' },
      inputs,
    })
    for (const input of Object.values(inputs)) unused.delete(input)
    unused.add(step)
    steps.push(step)
  }
  return [...unused]
}
