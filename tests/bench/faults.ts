// Run by hand: node tests/bench/faults.ts [SEED | FIRST COUNT]
// Realizes through caches that lie, 10,000 of them, or one of the given seed. Exits with 1 where one was believed.
import { faultCases, type Outcome } from '../helpers/fault-case.ts'

const [first = 0, count = process.argv.length === 3 ? 1 : 10_000] = process.argv
  .slice(2)
  .map(Number)
const unhandled: unknown[] = []
process.on('unhandledRejection', error => unhandled.push(error))

const began = performance.now()
const cases = await faultCases()
const seeds = Array.from({ length: count }, (_, index) => first + index)
const { outcomes, failures } = await cases.runAll(seeds)
cases.close()
const seconds = (performance.now() - began) / 1000

if (count === 1) for (const outcome of outcomes) console.log(outcome)
else for (const row of rowsOf(outcomes)) console.log(row)
for (const failure of failures) console.log(failure)
for (const error of unhandled) console.log('a rejection that nobody handled:', error)
const slowest = Math.max(...outcomes.map(({ milliseconds }) => milliseconds))
console.log(
  `${outcomes.length} of ${count} cases well in ${seconds.toFixed(1)} s, the longest ${Math.round(slowest)} ms;`,
  `peak memory: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`,
)
process.exitCode = failures.length + unhandled.length > 0 ? 1 : 0

function rowsOf(outcomes: readonly Outcome[]): string[] {
  const kinds = Map.groupBy(outcomes, ({ fault }) => fault.kind)
  return [...kinds].map(([kind, own]) => {
    const many = (isOne: (outcome: Outcome) => boolean): number => own.filter(isOne).length
    const bitten = many(({ bites }) => bites > 0)
    const warned = many(({ warnings }) => warnings.length > 0)
    const built = many(outcome => outcome.built > 0)
    return `a cache that ${kind}: ${own.length}, bitten ${bitten}, warned ${warned}, built ${built}`
  })
}
