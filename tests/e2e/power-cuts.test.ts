import test from 'ava'
import { powerCuts } from '../helpers/power-cuts.ts'
import { tempDirectory } from '../helpers/temp-store.ts'

// More of them: node tests/bench/power-cuts.ts
test.serial(
  'wherever a change of an installed system loses power, the next start is into the old state or the new one',
  async t => {
    const seen = new Set<string>()
    for await (const { command, milliseconds, state, problems } of powerCuts(tempDirectory(t), {
      count: 20,
      seed: 1,
    })) {
      t.deepEqual(problems, [], `${command}, cut after ${milliseconds} ms`)
      seen.add(state)
    }
    t.deepEqual([...seen].sort(), ['new', 'old'])
  },
)
