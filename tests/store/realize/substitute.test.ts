import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type Derivation, labelOf } from '../../../graph/derivation.ts'
import { MixosError } from '../../../graph/error.ts'
import { hashDerivation } from '../../../graph/hash.ts'
import { override } from '../../../graph/override.ts'
import {
  type DerivationHash,
  digestOfPath,
  type ObjectHash,
  type ResolvedHash,
  type StorePath,
} from '../../../graph/store-path.ts'
import type { Cache } from '../../../store/cache/client.ts'
import { forgetKey } from '../../../store/cache/forget-key.ts'
import { generateKey, type SecretKey } from '../../../store/cache/keys.ts'
import { tracePath } from '../../../store/cache/layout.ts'
import { type Pushed, push } from '../../../store/cache/push.ts'
import {
  formatSignedTrace,
  SIGNED_TRACE_LIMIT,
  signTrace,
} from '../../../store/cache/signed-trace.ts'
import type { CacheStorage } from '../../../store/cache/storage.ts'
import { memoryStorage } from '../../../store/cache/storages/memory.ts'
import type { Event } from '../../../store/event.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { tracesOf } from '../../../store/realize/known.ts'
import { planOf, realize } from '../../../store/realize.ts'
import type { Store } from '../../../store/store.ts'
import { type Substituter, substituterOf } from '../../../store/substituter.ts'
import type { Trace } from '../../../store/traces.ts'
import { verify } from '../../../store/verify.ts'
import { noise } from '../../helpers/http-server.ts'
import { addTree, filesStep, infoStep, quietly, tempStore } from '../../helpers/temp-store.ts'

const { signal } = new AbortController()
const key = generateKey(nodeHost, 'colleague')
const OTHER_PACK = '0'.repeat(64)
const files = filesStep('files', { a: 'text' })
const middle = infoStep('middle', { files })
/** Asked for in other words, made the same. */
const changedFiles = override(files, draft => {
  draft.env.comment = 'changed'
})
/** Names nothing that it was made from. */
const leaf = filesStep('leaf', { b: 'text' }, { middle })
const again = filesStep(
  'leaf',
  { b: 'text' },
  { middle: infoStep('middle', { files: changedFiles }) },
)

test('what a colleague has built is taken from the cache, and nothing that it was made from', async t => {
  const { cache, store: theirs } = await shared(t, leaf)
  const { store, events, outputs } = await realizing(t, leaf, [cache])
  t.deepEqual(steps(events), ['leaf-1 substituted'])
  t.deepEqual(outputs, theirs.trace(hashDerivation(leaf))?.outputs)
  t.is(store.paths().length, 1)
  t.deepEqual((await verify(store)).problems, [])
})

test('what comes from a cache has no log, also where a build of it failed before', async t => {
  const { cache } = await shared(t, leaf)
  const store = tempStore(t)
  const log = store.layout.log(hashDerivation(leaf))
  writeFileSync(log, 'this failed\n')
  const { events } = await realizing(t, leaf, [cache], store)
  t.deepEqual(steps(events), ['leaf-1 substituted'])
  t.false(existsSync(log))
})

test('what was taken is passed on in the words of its signer, and is no second witness', async t => {
  const second = generateKey(nodeHost, 'second')
  const { cache } = await shared(t, leaf)
  const { store } = await realizing(t, leaf, [cache])
  const elsewhere = new Map<string, Uint8Array>()
  const first = await pushed(store, leaf, { files: elsewhere, key: second })
  t.like(first, { signed: 0, passedOn: 1 })
  const again = await pushed(store, leaf, { files: elsewhere, key: second })
  t.like(again, { signed: 0, passedOn: 0 })
  const open = async () => memoryStorage(elsewhere)
  const keys = [key.public, second.public]
  const one = await realizing(t, leaf, [{ ...cache, open, policy: { keys, threshold: 1 } }])
  t.deepEqual(steps(one.events), ['leaf-1 substituted'])
  const two = await realizing(t, leaf, [{ ...cache, open, policy: { keys, threshold: 2 } }])
  t.deepEqual(steps(two.events), ['files-1 built', 'middle-1 built', 'leaf-1 built'])
})

test('what was taken and known again by what its inputs became is passed on too', async t => {
  const { cache } = await shared(t, leaf)
  const { store } = await realizing(t, leaf, [cache])
  const { events } = await realizing(t, again, [], store)
  t.is(steps(events).at(-1), 'leaf-1 reused')
  t.is(store.trace(hashDerivation(again))?.statements?.length, 1)
})

test('what was taken, made here too and comes out the same is signed for', async t => {
  const { cache, files } = await shared(t, leaf)
  const { store } = await realizing(t, leaf, [cache])
  await realize(store, [leaf], { ...quietly(), check: true })
  const second = generateKey(nodeHost, 'second')
  t.like(await pushed(store, leaf, { files, key: second }), { signed: 3, passedOn: 0 })
})

test('a check finds what was taken and comes out otherwise, also where its signer lied about what it was made from', async t => {
  const { cache, store: theirs, files } = await shareWithMistake(t)
  for (const isLie of [false, true]) {
    const trace = theirs.trace(hashDerivation(leaf)) as Trace
    if (isLie) {
      const outputs = { out: { path: trace.outputs.out as StorePath, hash: hashIn(theirs, trace) } }
      const resolved = '7'.repeat(64) as ResolvedHash
      const lie = signTrace({ ...trace, outputs, resolved }, key, Date.now())
      files.set(tracePath(trace.derivation, key.public.id), Buffer.from(formatSignedTrace(lie)))
    }
    const { store } = await realizing(t, leaf, [cache])
    const error = await t.throwsAsync(realize(store, [leaf], { ...quietly(), check: true }), {
      code: 'NOT_REPRODUCIBLE',
    })
    t.regex(error.message, /differ from what was taken from a cache:\n.*\n {4}b: a file of 5 bytes/)
  }
})

test('what was taken on the word of a key is forgotten, and what may have been made from it', async t => {
  const { cache } = await shared(t, middle)
  const store = tempStore(t)
  const earlier = filesStep('earlier', { a: 'earlier' })
  await realize(store, [earlier], quietly())
  await sleep(20)
  await realizing(t, middle, [cache], store)
  await realizing(t, leaf, [], store)
  const options = { signal, onWait: () => undefined }
  const stranger = generateKey(nodeHost, 'stranger').public.id
  t.deepEqual(await forgetKey(store, stranger, options), { taken: 0, since: 0 })
  t.truthy(store.trace(hashDerivation(leaf)))
  t.deepEqual(await forgetKey(store, key.public.id, options), { taken: 1, since: 1 })
  t.truthy(store.trace(hashDerivation(earlier)))
  const { events } = await realizing(t, leaf, [], store)
  t.deepEqual(steps(events), ['files-1 built', 'middle-1 built', 'leaf-1 built'])
})

test('what an object refers to comes with it', async t => {
  const { cache } = await shared(t, middle)
  const { store, events } = await realizing(t, middle, [cache])
  t.deepEqual(steps(events), ['middle-1 substituted'])
  t.is(store.paths().length, 2)
  t.deepEqual((await verify(store)).problems, [])
})

test('the next run finds everything here, and asks no cache', async t => {
  const { cache } = await shared(t, leaf)
  const { store } = await realizing(t, leaf, [cache])
  const untouched: Cache = { ...cache, open: () => Promise.reject(new Error('was asked')) }
  const { events } = await realizing(t, leaf, [untouched], store)
  t.deepEqual(steps(events), [])
})

test('a step whose inputs come out as they were is taken from the cache by what they became', async t => {
  const { cache } = await shared(t, leaf)
  const { events, store } = await realizing(t, again, [cache])
  t.deepEqual(steps(events), ['files-1 built', 'middle-1 substituted', 'leaf-1 substituted'])
  t.deepEqual((await verify(store)).problems, [])
})

test('what one signs is nothing to who trusts another', async t => {
  const { cache } = await shared(t, leaf)
  const other = generateKey(nodeHost, 'stranger').public
  const { events } = await realizing(t, leaf, [
    { ...cache, policy: { keys: [other], threshold: 1 } },
  ])
  t.deepEqual(steps(events), ['files-1 built', 'middle-1 built', 'leaf-1 built'])
})

test('with a threshold of two, one signature is not enough and two are', async t => {
  const second = generateKey(nodeHost, 'second')
  const policy = { keys: [key.public, second.public], threshold: 2 }
  const { cache, files } = await shared(t, leaf)
  const one = await realizing(t, leaf, [{ ...cache, policy }])
  t.deepEqual(steps(one.events), ['files-1 built', 'middle-1 built', 'leaf-1 built'])
  await pushed(one.store, leaf, { files, key: second })
  const two = await realizing(t, leaf, [{ ...cache, policy }])
  t.deepEqual(steps(two.events), ['leaf-1 substituted'])
})

test('a signer who says otherwise than enough others is told of', async t => {
  const [second, third] = ['second', 'third'].map(name => generateKey(nodeHost, name))
  if (!second || !third) return t.fail()
  const { cache, files, store } = await shared(t, leaf)
  await pushed(store, leaf, { files, key: second })
  const mistaken = await shareWithMistake(t, third)
  for (const [path, data] of mistaken.files) files.set(path, files.get(path) ?? data)
  const keys = [key, second, third].map(key => key.public)
  const { events } = await realizing(t, leaf, [{ ...cache, policy: { keys, threshold: 2 } }])
  t.deepEqual(steps(events), ['leaf-1 substituted'])
  t.is(warnings(events).length, 1)
  t.regex(
    warnings(events)[0] ?? '',
    /^third of the cache memory: says otherwise than those who are believed, such as \w{32}-leaf-1/,
  )
})

test('a cache that cannot be reached is named once, and everything is built', async t => {
  const dead: Cache = {
    name: 'https://dead.example',
    policy: { keys: [key.public], threshold: 1 },
    open: () => Promise.reject(new MixosError('CACHE_UNAVAILABLE', 'connection refused')),
  }
  const { events } = await realizing(t, leaf, [dead])
  t.deepEqual(steps(events), ['files-1 built', 'middle-1 built', 'leaf-1 built'])
  t.deepEqual(warnings(events), ['the cache https://dead.example is not used: connection refused'])
})

test('a cache that never answers costs two seconds, not two for each question', async t => {
  const { cache, files } = await shared(t, leaf)
  const silent = withRead(files, (_, { signal }) => neverUntil(signal))
  const { events } = await realizing(t, leaf, [{ ...cache, open: async () => silent }])
  t.is(steps(events).length, 3)
  t.deepEqual(warnings(events), ['the cache memory: is not used: waiting for it took 2000 ms'])
})

test('a cache that dies while much is fetched is asked for nothing more', async t => {
  // Each so large that it is a request of its own.
  const text = noise(600_000).toString('base64')
  const inputs = Array.from({ length: 20 }, (_, at) => [
    `f${at}`,
    filesStep(`f${at}`, { at: `${at}${text}` }),
  ])
  const root = infoStep('root', Object.fromEntries(inputs))
  const { cache, files } = await shared(t, root)
  const memory = memoryStorage(files)
  let asked = 0
  const dying = withRead(files, (path, options) => {
    if (!path.startsWith('pack/')) return memory.read(path, options)
    options.signal.throwIfAborted()
    if (++asked === 4) return Promise.reject(new MixosError('CACHE_UNAVAILABLE', 'it died'))
    return neverUntil(options.signal)
  })
  const { events } = await realizing(t, root, [{ ...cache, open: async () => dying }])
  t.is(steps(events).at(-1), 'root-1 built')
  t.deepEqual(warnings(events), ['the cache memory: is not used: it died'])
  t.true(asked < inputs.length, `${asked}`)
})

test('a cache that is given up is named, also after something else was told of it', async t => {
  const { cache, files } = await shared(t, leaf)
  const memory = memoryStorage(files)
  let traces = 0
  const storage = withRead(files, async (path, options) => {
    const bytes = await memory.read(path, options)
    if (!bytes || !path.startsWith('trace/')) return bytes
    if (++traces > 1) throw new MixosError('CACHE_UNAVAILABLE', 'it died')
    return Buffer.from(Buffer.from(bytes).toString().replace('leaf-1', 'lead-1'))
  })
  const { events } = await realizing(t, leaf, [{ ...cache, open: async () => storage }])
  t.is(steps(events).at(-1), 'leaf-1 built')
  t.is(warnings(events).length, 2)
  t.regex(warnings(events)[0] ?? '', /signature/)
  t.is(warnings(events)[1], 'the cache memory: is not used: it died')
})

test('of caches with one priority, the quicker is taken from; the priority comes first', async t => {
  const { cache, files } = await shared(t, leaf)
  const packsFrom = async (priorities: { slow: number; quick: number }) => {
    const taken: string[] = []
    // The clock of the machine goes on only while the slow one is waited for.
    const start = Date.now()
    let clock = start
    const quickly = Promise.withResolvers<void>()
    const named = (name: 'slow' | 'quick'): Cache => {
      const memory = memoryStorage(files)
      const read: CacheStorage['read'] = async (path, options) => {
        if (path.startsWith('pack/')) taken.push(name)
        if (name === 'slow' && clock === start) {
          await Promise.race([quickly.promise, sleep(5000)])
          await sleep(1)
          clock += 250
        }
        const bytes = await memory.read(path, options)
        if (name === 'quick') quickly.resolve()
        return bytes
      }
      const open = async () => ({ ...memory, read })
      return { ...cache, name, priority: priorities[name], open }
    }
    const store = tempStore(t, { ...nodeHost, now: () => clock })
    await realizing(t, leaf, [named('slow'), named('quick')], store)
    return [...new Set(taken)]
  }
  t.deepEqual(await packsFrom({ slow: 1, quick: 1 }), ['quick'])
  t.deepEqual(await packsFrom({ slow: 1, quick: 2 }), ['slow'])
})

test('a cache whose objects are damaged is named, and the next one is asked', async t => {
  const { cache, files } = await shared(t, leaf)
  const damaged = withRead(files, async path => {
    const bytes = files.get(path)
    return path.startsWith('pack/') ? bytes?.map(byte => byte ^ 1) : bytes
  })
  const bad: Cache = { ...cache, name: 'bad', open: async () => damaged }
  const alone = await realizing(t, leaf, [bad])
  t.deepEqual(steps(alone.events), ['files-1 built', 'middle-1 built', 'leaf-1 built'])
  t.is(warnings(alone.events).length, 2)
  t.regex(warnings(alone.events)[0] ?? '', /^memory:: pack\/[0-9a-f]{64}\.pack: /)
  t.regex(warnings(alone.events)[1] ?? '', /^the cache bad is not used: memory:: pack\//)
  t.deepEqual((await verify(alone.store)).problems, [])

  const both = await realizing(t, leaf, [bad, cache])
  t.deepEqual(steps(both.events), ['leaf-1 substituted'])
})

for (const [what, damage] of [
  ['frame lies beyond the end of its pack', text => text.replace('[0,0,', '[0,9999,')],
  ['frame is in another pack', text => text.replace(/"packs":\["/, `$&${OTHER_PACK}","`)],
  ['index is none', () => '{}'],
] as [string, (text: string) => string][]) {
  test(`an object whose ${what} is a miss that is told, and the cache stays in use`, async t => {
    const { cache, files, store } = await shared(t, leaf)
    files.set(`pack/${OTHER_PACK}.pack`, noise(10_000))
    const path = store.trace(hashDerivation(leaf))?.outputs.out as StorePath
    const at = `object/${digestOfPath(path)}.json`
    const index = Buffer.from(files.get(at) ?? []).toString()
    t.not(damage(index), index)
    files.set(at, Buffer.from(damage(index)))
    const { events } = await realizing(t, leaf, [cache])
    t.deepEqual(steps(events), ['middle-1 substituted', 'leaf-1 built'])
    t.is(warnings(events).length, 1)
    t.notRegex(warnings(events)[0] ?? '', /is not used/)
  })
}

test('a cache of which much is damaged is not asked for all of it', async t => {
  // Each so large that it is a request of its own.
  const text = noise(600_000).toString('base64')
  const inputs = Array.from({ length: 20 }, (_, at) => [
    `f${at}`,
    filesStep(`f${at}`, { at: `${at}${text}` }),
  ])
  const root = infoStep('root', Object.fromEntries(inputs))
  const { cache, files } = await shared(t, root)
  let asked = 0
  const damaged = withRead(files, (path, options) => {
    if (!path.startsWith('pack/')) return memoryStorage(files).read(path, options)
    options.signal.throwIfAborted()
    return sleep(5 * ++asked, new Uint8Array(options.range?.length ?? 0))
  })
  const { events } = await realizing(t, root, [{ ...cache, open: async () => damaged }])
  t.is(steps(events).at(-1), 'root-1 built')
  t.is(warnings(events).length, 2)
  t.regex(warnings(events)[1] ?? '', /^the cache memory: is not used: /)
  t.true(asked < inputs.length, `${asked}`)
})

test('a cache that knows nothing of a step is not blamed for what it lacks', async t => {
  const { cache } = await shared(t, leaf)
  const { cache: other } = await shared(t, filesStep('other', { c: 'text' }))
  const first: Cache = { ...other, name: 'first' }
  const { events } = await realizing(t, leaf, [first, cache])
  t.deepEqual(steps(events), ['leaf-1 substituted'])
  t.deepEqual(warnings(events), [])
})

test('an object that has another hash than was signed, behind what its path has of it, is not taken', async t => {
  const { cache, files, store } = await shared(t, leaf)
  const trace = store.trace(hashDerivation(leaf))
  const path = trace?.outputs.out
  const hash = path && store.head(path)?.hash
  if (!hash) return t.fail()
  const other = `${hash.slice(0, -1)}${hash.endsWith('0') ? '1' : '0'}` as ObjectHash
  const outputs = { out: { path, hash: other } }
  const signed = signTrace({ ...trace, outputs }, key, Date.now())
  for (const asked of [trace.derivation, trace.resolved])
    files.set(tracePath(asked, key.public.id), Buffer.from(formatSignedTrace(signed)))
  // Also where the object is here.
  for (const ours of [tempStore(t), store]) {
    await using substituter = substituterOf(ours, [cache], quietly())
    const found = await substituter.find(trace.derivation)
    if (!found) return t.fail()
    t.false(await substituter.fetch(found, () => undefined))
  }
  const { events } = await realizing(t, leaf, [cache])
  t.is(steps(events).at(-1), 'leaf-1 built')
  t.deepEqual(warnings(events), [
    `the cache memory: is not used: its trace says that ${path} is b3:${other}, and it is b3:${hash}`,
  ])
})

test('a signature that was changed is a miss that is told', async t => {
  const { cache, files } = await shared(t, leaf)
  for (const [path, bytes] of files) {
    const text = Buffer.from(bytes).toString().replace('leaf-1', 'lead-1')
    if (path.startsWith('trace/')) files.set(path, Buffer.from(text))
  }
  const { events, store } = await realizing(t, leaf, [cache])
  t.is(steps(events).at(-1), 'leaf-1 built')
  t.regex(warnings(events)[0] ?? '', /signature/)
  t.deepEqual((await verify(store)).problems, [])
})

for (const [what, junk, message] of [
  ['not a trace', '{"a":1}', /: expected the format mixos-cache-trace-1, got nothing$/],
  ['far too large', 'x'.repeat(SIGNED_TRACE_LIMIT + 1), / has 65537 bytes$/],
] as const) {
  test(`a trace that is ${what} is a miss that is told, and the cache stays in use`, async t => {
    const { cache, files } = await shared(t, leaf)
    for (const hash of traceHashes(files, 'leaf-1'))
      files.set(tracePath(hash, key.public.id), Buffer.from(junk))
    const { events } = await realizing(t, leaf, [cache])
    t.deepEqual(steps(events), ['middle-1 substituted', 'leaf-1 built'])
    t.is(warnings(events).length, 1)
    t.regex(warnings(events)[0] ?? '', /trace\/[0-9a-f]{64}\/[0-9a-f]{32}\.json/)
    t.regex(warnings(events)[0] ?? '', message)
  })
}

test('the plan says what is substituted', async t => {
  const { cache } = await shared(t, leaf)
  const store = tempStore(t)
  const report = (): void => undefined
  await using substituter = substituterOf(store, [cache], { signal, report })
  const { steps } = await planOf(store, [leaf], { ...quietly(), substituter })
  t.deepEqual(
    steps.map(step => `${step.action} ${labelOf(step.derivation)}`),
    ['substitute leaf-1'],
  )
})

test('a key is replaced without a gap, and what only the old one signed is nothing afterwards', async t => {
  const [old, young] = [key, generateKey(nodeHost, 'young')]
  const trusting = (...keys: SecretKey[]) => ({ keys: keys.map(key => key.public), threshold: 1 })
  const { cache, store, files } = await shared(t, leaf)
  // 1. Everyone trusts both. 2. The new key signs all that is there; nothing is copied again.
  const before = files.size
  await pushed(store, leaf, { files, key: young })
  t.is([...files.keys()].filter(path => path.startsWith('pack/')).length, 1)
  t.true(files.size > before)
  const during = await realizing(t, leaf, [{ ...cache, policy: trusting(old, young) }])
  t.deepEqual(steps(during.events), ['leaf-1 substituted'])
  // 3. The old key is removed.
  const after = await realizing(t, leaf, [{ ...cache, policy: trusting(young) }])
  t.deepEqual(steps(after.events), ['leaf-1 substituted'])
  for (const path of files.keys()) if (path.endsWith(`${young.public.id}.json`)) files.delete(path)
  const lost = await realizing(t, leaf, [{ ...cache, policy: trusting(young) }])
  t.is(steps(lost.events).at(-1), 'leaf-1 built')
})

test('after a failure, what a cache was asked for late has ended when the failure is told', async t => {
  const slow = filesStep('slow', { a: 'slow' })
  const bad = filesStep('bad', { a: 'bad' })
  const broken = filesStep('broken', { '../a': '' })
  const dependent = infoStep('dependent', { gate: filesStep('gate', { a: '' }), slow, bad })
  const hash = hashDerivation(filesStep('promised', {})) as string as ObjectHash
  const path = `${'0'.repeat(32)}-promised-1` as StorePath
  const promised = [hashDerivation(slow), hashDerivation(bad)]
  const failed = Promise.withResolvers<void>()
  let running = 0
  const substituter: Substituter = {
    find: async asked =>
      promised.some(each => each === asked)
        ? { outputs: { out: { path, hash } }, resolved: asked as ResolvedHash, statements: [] }
        : undefined,
    fetch: async () => {
      running++
      if (running === 2) {
        failed.resolve()
        throw new MixosError('DISK_FULL', 'the disk is full')
      }
      await failed.promise
      await sleep(50)
      running = 0
      return false
    },
    challenge: async () => [],
    [Symbol.asyncDispose]: async () => undefined,
  }
  const options = { ...quietly(), substituter, keepGoing: true }
  const roots = [infoStep('top', { broken, dependent })]
  await t.throwsAsync(realize(tempStore(t), roots, options))
  t.is(running, 0)
})

test('a challenge tells of each step and signer whether they agree, and which files differ', async t => {
  const { cache, files: shared } = await shareWithMistake(t)
  const store = tempStore(t)
  await realize(store, [leaf], quietly())
  const report = (): void => undefined
  await using substituter = substituterOf(store, [cache], { signal, report })
  const said = await substituter.challenge(tracesOf(store, [leaf]))
  t.true(shared.size > 0)
  t.deepEqual(
    said.map(({ label, signer, agrees }) => [label, signer, agrees]),
    [
      ['leaf-1', 'colleague', false],
      ['middle-1', 'colleague', true],
      ['files-1', 'colleague', true],
    ],
  )
  t.regex(said[0]?.differences[1] ?? '', /^ {2}b: a file of 4 bytes .*, then a file of 5 bytes/)
})

test('a challenge also finds what is said of a step in other words', async t => {
  const { cache } = await shared(t, leaf)
  const store = tempStore(t)
  await realize(store, [again], quietly())
  const report = (): void => undefined
  await using substituter = substituterOf(store, [cache], { signal, report })
  const said = await substituter.challenge(tracesOf(store, [again]))
  t.deepEqual(
    said.map(({ label, agrees }) => [label, agrees]),
    [
      ['leaf-1', true],
      ['middle-1', true],
    ],
  )
})

interface Shared {
  readonly cache: Cache
  readonly store: Store
  readonly files: Map<string, Uint8Array>
}

/** A cache with all that one colleague has. */
async function shared(t: ExecutionContext, root: Derivation): Promise<Shared> {
  const store = tempStore(t)
  await realize(store, [root], quietly())
  const files = new Map<string, Uint8Array>()
  await pushed(store, root, { files, key })
  const policy = { keys: [key.public], threshold: 1 }
  return {
    store,
    files,
    cache: { name: 'memory:', policy, open: async () => memoryStorage(files) },
  }
}

/** The same, by a colleague to whom the leaf came out otherwise. */
async function shareWithMistake(t: ExecutionContext, signer = key): Promise<Shared> {
  const store = tempStore(t)
  await realize(store, [leaf], quietly())
  const trace = store.trace(hashDerivation(leaf)) as Trace
  const out = await addTree(store, 'leaf', { tree: { b: 'other' } })
  await store.remember({ ...trace, outputs: { out } })
  const files = new Map<string, Uint8Array>()
  await pushed(store, leaf, { files, key: signer })
  const policy = { keys: [key.public], threshold: 1 }
  return {
    store,
    files,
    cache: { name: 'memory:', policy, open: async () => memoryStorage(files) },
  }
}

function hashIn(store: Store, { outputs }: Trace): ObjectHash {
  return store.head(outputs.out as StorePath)?.hash as ObjectHash
}

async function pushed(
  store: Store,
  root: Derivation,
  { files, key }: { files: Map<string, Uint8Array>; key: SecretKey },
): Promise<Pushed> {
  const report = (): void => undefined
  return push(store, memoryStorage(files), tracesOf(store, [root]), { key, signal, report })
}

async function realizing(
  t: ExecutionContext,
  root: Derivation,
  caches: readonly Cache[],
  store = tempStore(t),
) {
  const events: Event[] = []
  const options = quietly(events)
  await using substituter = substituterOf(store, caches, options)
  const realized = await realize(store, [root], { ...options, substituter })
  return { store, events, outputs: realized.get(root) }
}

const steps = (events: readonly Event[]): string[] =>
  events.flatMap(event => (event.type === 'done' ? [`${event.label} ${event.how}`] : []))

const warnings = (events: readonly Event[]): string[] =>
  events.flatMap(event => (event.type === 'warning' ? [event.message] : []))

/** The hashes under which a cache has traces of that label. */
function traceHashes(files: ReadonlyMap<string, Uint8Array>, label: string): DerivationHash[] {
  const isOf = ([path, bytes]: [string, Uint8Array]): boolean =>
    path.startsWith('trace/') && Buffer.from(bytes).includes(`"label":"${label}"`)
  return [...files].filter(isOf).map(([path]) => path.split('/')[1] as DerivationHash)
}

function withRead(files: Map<string, Uint8Array>, read: CacheStorage['read']): CacheStorage {
  return { ...memoryStorage(files), read }
}

function neverUntil(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
  })
}
