import { setTimeout as wait } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Derivation } from '../../graph/derivation.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { digestOfPath } from '../../graph/store-path.ts'
import { memoryStorage } from '../../store/cache/storages/memory.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { realize } from '../../store/realize.ts'
import { openStore, type Store } from '../../store/store.ts'
import { faultCases, type Outcome } from '../helpers/fault-case.ts'
import { FAULTS, type FaultKind } from '../helpers/fault-proxy.ts'
import { pushAll, readAll } from '../helpers/push-fixture.ts'
import { filesStep, infoStep, memoryDirectory, quietly } from '../helpers/temp-store.ts'

// To run one case again: its seed is in the message, and node tests/bench/faults.ts SEED runs it alone.
const CASES = 1000

test('whatever is wrong with a cache, the outputs are those of an honest build and nothing of it stays', async t => {
  const cases = await faultCases()
  t.teardown(() => cases.close())
  const { outcomes, failures } = await cases.runAll(Array(CASES).keys())
  t.deepEqual(failures, [])
  t.is(outcomes.length, CASES)
  const count = (isOne: (outcome: Outcome) => boolean): number => outcomes.filter(isOne).length
  const warned = count(({ warnings }) => warnings.length > 0)
  const built = count(outcome => outcome.built > 0)
  const saved = count(({ substituted }) => substituted > 0)
  t.log(`${warned} with a warning, ${built} with a build, ${saved} with something from a cache`)
  // Else the faults would not bite, or nothing would ever come from a cache.
  for (const number of [warned, built, saved]) t.true(number > CASES / 8, `${number}`)

  for (const kind of Object.keys(FAULTS) as FaultKind[]) {
    const own = outcomes.filter(({ fault }) => fault.kind === kind)
    const bitten = own.filter(({ bites }) => bites > 0)
    t.true(bitten.length > 0, `no case in which a cache ${kind}`)
    if ('isHarmless' in FAULTS[kind]) continue
    const noticed = bitten.filter(({ warnings, built }) => warnings.length > 0 || built > 0)
    t.true(noticed.length > 0, `nobody noticed that a cache ${kind}`)
  }
})

test('when a part of an object is missing, nothing of the others is fetched any more once it is built', async t => {
  const one = filesStep('one', { a: 'one' })
  const two = filesStep('two', { b: 'two' })
  const both = infoStep('both', { one, two })
  const { files, store } = await pushed(t, both)
  const path = store.trace(hashDerivation(one))?.outputs.out
  if (path) files.delete(`object/${digestOfPath(path)}.json`)
  // Nobody asks for this one but who wants both.
  const unsigned = `trace/${hashDerivation(two)}/`
  for (const file of files.keys()) if (file.startsWith(unsigned)) files.delete(file)
  let [underway, packs] = [0, 0]
  const storage = memoryStorage(files)
  const slow: typeof storage = {
    ...storage,
    read: async (path, options) => {
      underway++
      // The first is that of the whole. Whoever is told to stop may stop, which is better than to wait.
      const isSlow = path.startsWith('pack/') && packs++ > 0
      if (isSlow) await wait(300, undefined, options).catch(() => undefined)
      underway--
      return storage.read(path, options)
    },
  }
  const { built, warnings } = await readAll(emptyStore(t), slow, [both])
  t.true(built.includes('both-1'))
  t.regex(warnings[0] ?? '', /is missing$/)
  t.is(underway, 0)
})

for (const [what, path] of [
  ['is none', 'mixos-cache.json'],
  ['has a damaged trace', 'trace/'],
  ['has a damaged object', 'object/'],
] as const) {
  test(`the connections to a cache that ${what} are let go`, async t => {
    const { files } = await pushed(t, filesStep('one', { a: 'one' }))
    for (const file of files.keys()) if (file.startsWith(path)) files.set(file, Buffer.from('{}'))
    let closed = 0
    const storage = { ...memoryStorage(files), close: async () => void closed++ }
    const { built, warnings } = await readAll(emptyStore(t), storage, [
      filesStep('one', { a: 'one' }),
    ])
    t.deepEqual([built.length, warnings.length], [1, 1])
    t.is(closed, 1)
  })
}

const emptyStore = (t: ExecutionContext): Store =>
  openStore({ directory: `${memoryDirectory(t)}/mixos`, host: nodeHost })

async function pushed(t: ExecutionContext, root: Derivation) {
  const store = emptyStore(t)
  await realize(store, [root], quietly())
  const files = new Map<string, Uint8Array>()
  await pushAll(store, memoryStorage(files), [root])
  return { files, store }
}
