// Run by hand: node tests/bench/power-cuts.ts [COUNT SEED]
// Cuts the power of an installed machine, 200 times, while it changes. Exits with 1 where it was not whole afterwards.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { powerCuts } from '../helpers/power-cuts.ts'

const [count = 200, seed = 1] = process.argv.slice(2).map(Number)
const directory = mkdtempSync(join(realpathSync(tmpdir()), 'mixos-power-'))
const states = { old: 0, new: 0 }
let bad = 0
const began = performance.now()
for await (const { command, milliseconds, state, problems } of powerCuts(directory, {
  count,
  seed,
})) {
  states[state]++
  if (problems.length > 0) bad++
  console.log(`${command}, cut after ${milliseconds} ms: ${state}`, ...problems)
}
rmSync(directory, { recursive: true })
const minutes = (performance.now() - began) / 60_000
console.log(
  `${count} cuts in ${minutes.toFixed(1)} min: ${states.old} old, ${states.new} new, ${bad} bad`,
)
process.exitCode = bad > 0 ? 1 : 0
