import { deepEqual, equal, ok } from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closureOf } from '../../graph/closure.ts'
import { type Derivation, derivation } from '../../graph/derivation.ts'
import { hashDerivation } from '../../graph/hash.ts'
import type { DerivationHash, StorePath } from '../../graph/store-path.ts'
import type { Cache } from '../../store/cache/client.ts'
import { push } from '../../store/cache/push.ts'
import { httpStorage } from '../../store/cache/storages/http.ts'
import { memoryStorage } from '../../store/cache/storages/memory.ts'
import { removeTree } from '../../store/disk/remove.ts'
import { eachOf } from '../../store/disk/write.ts'
import type { Event } from '../../store/event.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { tracesOf } from '../../store/realize/known.ts'
import type { Realized } from '../../store/realize/options.ts'
import { realize } from '../../store/realize.ts'
import { openStore, type Store } from '../../store/store.ts'
import { substituterOf } from '../../store/substituter.ts'
import { verify } from '../../store/verify.ts'
import {
  FAULTS,
  type Fault,
  type FaultKind,
  type FaultProxy,
  type FaultyCache,
  faultOf,
  faultProxy,
  fixedKey,
  type HonestCache,
  randomOf,
  SLOW_EVERY,
} from './fault-proxy.ts'
import { noise } from './http-server.ts'
import { filesStep, infoStep, quietly, type Tree } from './temp-store.ts'

/** What a case came to, after all that must hold was seen to hold. */
export interface Outcome {
  readonly seed: number
  readonly fault: Fault
  /** How many requests the fault has spoiled. */
  readonly bites: number
  readonly warnings: readonly string[]
  readonly built: number
  readonly substituted: number
  readonly milliseconds: number
}

export interface FaultCases {
  /** Realizes through a cache with the fault of this seed. Throws, naming both, where something is wrong then. */
  run(seed: number): Promise<Outcome>
  /** The same for many seeds; several at a time, those that wait beside them. What they throw comes to its end. */
  runAll(seeds: Iterable<number>): Promise<Outcomes>
  close(): void
}

export interface Outcomes {
  readonly outcomes: readonly Outcome[]
  /** What a case has thrown: its seed, its fault and what was wrong. */
  readonly failures: readonly string[]
}

/** What is realized, and how it comes out where everybody is honest. */
interface Subject {
  readonly root: Derivation
  /** What is here before. */
  readonly before: readonly Derivation[]
  readonly cache: HonestCache
  /** Files that are read when nothing is wrong. */
  readonly likely: readonly string[]
  readonly expected: ReadonlyMap<DerivationHash, Readonly<Record<string, StorePath>>>
}

const { signal } = new AbortController()
const signers = [fixedKey('first', '1'), fixedKey('second', '2')]
/** Less than what users have, since many cases wait. */
const HURRIED = { answer: 1500, change: 1500 }
const AT_A_TIME = 3
const WAITING = 8

export async function faultCases(): Promise<FaultCases> {
  const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'mixos-test-'))
  const proxy = await faultProxy()
  const subjects: Subject[] = []
  for (const { root, before = [] } of GRAPHS) {
    subjects.push(await subjectOf(proxy, { directory, root, before }))
  }

  const run: FaultCases['run'] = async seed => {
    const subject = subjects[TURNS[seed % TURNS.length] as number] as Subject
    const fault = faultOf(seed, subject.cache, subject.likely)
    try {
      return await runCase(proxy, { seed, subject, fault, directory })
    } catch (error) {
      const what = `${fault.kind} (${fault.path}, ${fault.times} times)`
      throw new Error(`seed ${seed}: a cache that ${what}: ${String(error)}`, { cause: error })
    }
  }
  return {
    run,
    runAll: async seeds => {
      const isSlow = (seed: number): boolean => seed % SLOW_EVERY === 0
      const { true: slow = [], false: fast = [] } = Object.groupBy(seeds, seed => `${isSlow(seed)}`)
      const [outcomes, failures]: [Outcome[], string[]] = [[], []]
      const runOne = async (seed: number): Promise<void> => {
        try {
          outcomes.push(await run(seed))
        } catch (error) {
          failures.push((error as Error).message)
        }
      }
      await Promise.all([eachOf(slow, WAITING, runOne), eachOf(fast, AT_A_TIME, runOne)])
      return { outcomes, failures }
    },
    close: () => {
      proxy.close()
      removeTree(nodeHost, directory)
    },
  }
}
const program = (name: string, version: string, tree: Tree): Derivation =>
  derivation({
    name,
    version,
    builder: ['builtin:files'],
    env: { files: JSON.stringify(tree) },
  })

const text = (size: number, seed: string): string => noise(size / 2, seed).toString('hex')
const large = (version: string): Tree => ({
  large: text(1_100_000, 'large'),
  middle: text(300_000, 'middle'),
  'share/small': 'small',
  'share/version': version,
  empty: '',
})
const common = filesStep('common', {
  a: 'text',
  'bin/run': { executable: '#!' },
  l: { symlink: 'a' },
})

const GRAPHS: readonly { readonly root: Derivation; readonly before?: readonly Derivation[] }[] = [
  { root: filesStep('leaf', { b: 'text' }, { middle: infoStep('middle', { common }) }) },
  { root: infoStep('top', { common, left: infoStep('left', { common }) }) },
  {
    root: infoStep('wide', {
      one: filesStep('one', { a: text(5000, 'one'), b: 'b' }),
      two: filesStep('two', { c: text(3000, 'two') }),
      three: infoStep('three', { common }),
    }),
  },
  { root: infoStep('whole', { large: program('large', '1', large('1')) }) },
  { root: program('large', '2', large('2')), before: [program('large', '1', large('1'))] },
]

// Those with large files take longer than all others.
const TURNS = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 4]

async function subjectOf(
  proxy: FaultProxy,
  { directory, root, before }: Pick<Subject, 'root' | 'before'> & { directory: string },
): Promise<Subject> {
  const store = openStore({ directory: mkdtempSync(join(directory, 'honest-')), host: nodeHost })
  const steps = closureOf([root], drv => Object.values(drv.inputs).map(input => input.derivation))
  const files = new Map<string, Uint8Array>()
  // One after the other, so that each step has a pack of its own to be swapped.
  for (const step of [...steps].reverse()) {
    await realize(store, [step], quietly())
    const report = (): void => undefined
    const traces = tracesOf(store, [step])
    for (const key of signers)
      await push(store, memoryStorage(files), traces, { key, signal, report })
  }
  const expected = new Map(
    tracesOf(store, [root]).map(({ derivation, outputs }) => [derivation, outputs]),
  )
  // In one order, or a seed would not mean the same fault each time.
  const sorted = new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
  const subject = { root, before, cache: { files: sorted, signers }, expected, likely: [] }
  const faulty = proxy.mount(subject.cache)
  const own = { store: await newStore(directory, before), caches: [cacheAt(faulty, 2)] }
  await realizeFrom(own.caches, { store: own.store, root, events: [] })
  faulty.unmount()
  return { ...subject, likely: [...new Set(faulty.requests)].sort() }
}

async function runCase(
  proxy: FaultProxy,
  {
    seed,
    subject,
    fault,
    directory,
  }: { seed: number; subject: Subject; fault: Fault; directory: string },
): Promise<Outcome> {
  const random = randomOf(seed + 1)
  const { root, before, cache, expected } = subject
  const threshold = random(4) === 0 ? 2 : 1
  const hasOther = random(3) === 0
  const store = await newStore(directory, before)
  const faulty = proxy.mount(cache, fault)
  const caches = [cacheAt(faulty, threshold, fault)]
  if (hasOther) caches.push(goodCache(cache))
  const events: Event[] = []
  const began = performance.now()
  try {
    const realized = await realizeFrom(caches, { store, root, events })
    const milliseconds = performance.now() - began
    deepEqual(realized.get(root), expected.get(hashDerivation(root)), 'the outputs')
    await assertClean(store, { subject, proxy })
    const warnings = events.flatMap(event => (event.type === 'warning' ? [event.message] : []))
    assertTold(warnings, faulty)
    const done = (how: string): number =>
      events.filter(event => event.type === 'done' && event.how === how).length
    const [built, substituted] = [done('built'), done('substituted')]
    if (hasOther) equal(built, 0, 'steps built, though another cache has all')
    if (isHarmless(fault.kind)) deepEqual([built, warnings], [0, []], 'the harm done')
    return { seed, fault, bites: faulty.bites, warnings, built, substituted, milliseconds }
  } finally {
    faulty.unmount()
    removeTree(nodeHost, store.directory)
  }
}

const isHarmless = (kind: FaultKind): boolean => 'isHarmless' in FAULTS[kind]

async function newStore(directory: string, before: readonly Derivation[]): Promise<Store> {
  // A host of its own, since stores of one host share their flushes, and so their failures; memory needs none.
  const host = { ...nodeHost, files: { ...nodeHost.files, sync: async () => undefined } }
  const store = openStore({ directory: mkdtempSync(join(directory, 'case-')), host })
  if (before.length > 0) await realize(store, before, quietly())
  return store
}

function cacheAt({ url }: FaultyCache, threshold: number, fault?: Fault): Cache {
  const isSlow = fault !== undefined && 'isSlow' in FAULTS[fault.kind]
  const options = { token: 'secret', ...(isSlow && { patience: HURRIED }) }
  return {
    name: url.href,
    policy: { keys: signers.slice(0, threshold).map(key => key.public), threshold },
    open: async () => httpStorage(url, {}, options),
  }
}

function goodCache({ files }: HonestCache): Cache {
  return {
    name: 'the good cache',
    policy: { keys: signers.map(key => key.public), threshold: 2 },
    open: async () => memoryStorage(new Map(files)),
  }
}

async function realizeFrom(
  caches: readonly Cache[],
  { store, root, events }: { store: Store; root: Derivation; events: Event[] },
): Promise<Realized> {
  const options = quietly(events)
  await using substituter = substituterOf(store, caches, options)
  return await realize(store, [root], { ...options, substituter })
}

/** Nothing is in the store but what honest builds would have put there. */
async function assertClean(
  store: Store,
  { subject, proxy }: { subject: Subject; proxy: FaultProxy },
): Promise<void> {
  const { expected, before } = subject
  deepEqual((await verify(store)).problems, [], 'what verify finds')
  deepEqual(readdirSync(store.layout.scratch), [], 'what is left in the scratch directory')
  const honest = new Set([...expected.values()].flatMap(outputs => Object.values(outputs)))
  for (const drv of before) {
    for (const path of Object.values(store.trace(hashDerivation(drv))?.outputs ?? {}))
      honest.add(path)
  }
  const strange = store.paths().filter(path => !honest.has(path))
  deepEqual(strange, [], 'objects that no honest build makes')
  for (const [hash, outputs] of expected) {
    const trace = store.trace(hash)
    if (trace) deepEqual(trace.outputs, outputs, `the outputs of ${trace.label}`)
  }
  deepEqual(proxy.leaks, [], 'where the token went')
}

/** One line at most, and one that the cache is not used; short, and nothing in them that a terminal would obey. */
function assertTold(warnings: readonly string[], { url }: FaultyCache): void {
  const isGivenUp = (warning: string): boolean => warning.includes('is not used: ')
  for (const some of [warnings.filter(isGivenUp), warnings.filter(line => !isGivenUp(line))])
    ok(some.length <= 1, `warnings: ${some.join('; ')}`)
  for (const warning of warnings) {
    ok(warning.includes(url.href), `a warning that does not name the cache: ${warning}`)
    ok(warning.length < 1000, `a warning of ${warning.length} characters`)
    ok(!/\p{Cc}/u.test(warning), `a warning with control characters: ${JSON.stringify(warning)}`)
  }
}
