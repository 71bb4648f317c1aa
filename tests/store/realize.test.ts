import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { type Derivation, derivation } from '../../graph/derivation.ts'
import type { MixosError } from '../../graph/error.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { collect } from '../../store/collect.ts'
import type { Event } from '../../store/event.ts'
import { watchedHost } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { objectClosure } from '../../store/object-closure.ts'
import type { RealizeOptions } from '../../store/realize/options.ts'
import { planOf, realize } from '../../store/realize.ts'
import { openStore, type Store } from '../../store/store.ts'
import { storeLock } from '../../store/store-lock.ts'
import type { Trace } from '../../store/traces.ts'
import { fixtureRoot } from '../helpers/store-fixture.ts'
import {
  addTree,
  filesStep,
  infoStep,
  quietly,
  tempDirectory,
  tempStore,
} from '../helpers/temp-store.ts'

const CHILD = fileURLToPath(new URL('../helpers/realize-child.ts', import.meta.url))
const run = promisify(execFile)

test('a step and all it needs are made, inputs first', async t => {
  const store = tempStore(t)
  const root = threeSteps()
  const { events, realized } = await realizing(store, [root])
  t.deepEqual(stepsOf(events, 'started'), ['library-1', 'info-1', 'top-1'])
  t.deepEqual(stepsOf(events, 'built'), ['library-1', 'info-1', 'top-1'])
  const top = realized.get(root)?.out
  t.truthy(top && store.has(top))
  t.deepEqual(
    top &&
      store
        .head(top)
        ?.references.map(path => path.slice(33))
        .sort(),
    ['info-1', 'library-1'],
  )
})

test('a second run does nothing and changes nothing', async t => {
  const directory = join(tempDirectory(t), 'mixos')
  const root = threeSteps()
  await realizing(openStore({ directory, host: nodeHost }), [root])
  const changes: string[] = []
  const host = watchedHost(nodeHost, (change, path) => changes.push(`${change} ${path}`))
  const again = openStore({ directory, host })
  const { events, realized } = await realizing(again, [root])
  t.deepEqual(
    events.map(event => event.type),
    ['planned'],
  )
  t.deepEqual(changes, [])
  t.truthy(realized.get(root)?.out)
})

test('the plan that is reported is the plan that planOf gives', async t => {
  const store = tempStore(t)
  const root = threeSteps()
  const options = quietly()
  const plan = await planOf(store, [root], options)
  t.deepEqual(
    plan.steps.map(step => step.action),
    ['build', 'build', 'build'],
  )
  const { events } = await realizing(store, [root])
  t.deepEqual(events[0], { type: 'planned', plan })
  t.deepEqual(
    (await planOf(store, [root], options)).steps.map(step => step.action),
    ['reuse'],
  )
})

test('what depends on an unchanged output of a changed step is not made again', async t => {
  const store = tempStore(t)
  const chain = (comment: string): Derivation => {
    const source = filesStep('source', { comment })
    const program = filesStep('program', { bin: 'the same' }, { source })
    return infoStep('image', { package: infoStep('package', { program }) })
  }
  const first = await realizing(store, [chain('one')])
  const second = await realizing(store, [chain('two')])
  t.deepEqual(stepsOf(second.events, 'built'), ['source-1', 'program-1'])
  t.deepEqual(stepsOf(second.events, 'reused'), ['package-1', 'image-1'])
  t.deepEqual([...second.realized.values()], [...first.realized.values()])
  const third = await realizing(store, [chain('two')])
  t.deepEqual(
    third.events.map(event => event.type),
    ['planned'],
  )
})

test('two derivations that are equal are one step', async t => {
  const store = tempStore(t)
  const [one, two] = [filesStep('a', { a: '1' }), filesStep('a', { a: '1' })]
  const { events, realized } = await realizing(store, [one, two])
  t.deepEqual(stepsOf(events, 'started'), ['a-1'])
  t.deepEqual(realized.get(one), realized.get(two))
})

test('a failed step fails what depends on it, and is reported once', async t => {
  const store = tempStore(t)
  const bad = broken('bad')
  const roots = [infoStep('top', { bad }), infoStep('other', { bad })]
  const events: Event[] = []
  const error = await t.throwsAsync(realize(store, roots, quietly(events)), {
    code: 'DERIVATION_INVALID',
    message: /^bad-1: /,
  })
  const failed = events.filter(event => event.type === 'failed')
  t.deepEqual(
    failed.map(event => event.label),
    ['bad-1'],
  )
  t.is<unknown, unknown>(failed[0]?.error, error)
  t.deepEqual(store.paths(), [])
})

test('a step that mixos takes itself has one output', async t => {
  const { builder, env } = filesStep('files', { a: '' })
  const two = derivation({ name: 'two', version: '1', builder, env, outputs: ['out', 'dev'] })
  await t.throwsAsync(realize(tempStore(t), [two], quietly()), {
    code: 'DERIVATION_INVALID',
    message: 'two-1: builtin:files has one output, not out, dev',
  })
})

test('after a failure, keepGoing makes all that does not depend on it', async t => {
  const store = tempStore(t)
  const good = infoStep('good', { library: filesStep('library', { a: '1' }) })
  const roots = [infoStep('top', { bad: broken('bad') }), good, broken('worse')]
  const events: Event[] = []
  const options = { ...quietly(events), keepGoing: true }
  await t.throwsAsync(realize(store, roots, options), { message: /^(bad|worse)-1: / })
  t.deepEqual(stepsOf(events, 'built'), ['library-1', 'good-1'])
  t.deepEqual(events.flatMap(event => (event.type === 'failed' ? [event.label] : [])).sort(), [
    'bad-1',
    'worse-1',
  ])
})

test('a check makes every kind of step again, and names what comes out otherwise', async t => {
  const store = tempStore(t)
  const root = filesStep('a', { text: 'one' })
  const { events } = await realizing(store, [root], { check: true })
  t.deepEqual(stepsOf(events, 'started'), ['a-1', 'a-1'])
  const other = await addTree(store, 'a', { tree: { text: 'two' } })
  await store.remember({ ...(store.trace(hashDerivation(root)) as Trace), outputs: { out: other } })
  const error = await t.throwsAsync(realizing(store, [root], { check: true }))
  t.is((error as MixosError).code, 'NOT_REPRODUCIBLE')
  t.regex(error.message, /text: a file of 3 bytes .*, then a file of 3 bytes/)
})

test('what was finished before a failure stays', async t => {
  const store = tempStore(t)
  const library = filesStep('library', { a: '1' })
  const root = derivation({
    name: 'bad',
    version: '1',
    builder: ['builtin:missing'],
    inputs: { library },
  })
  await t.throwsAsync(realizing(store, [root]), { code: 'DERIVATION_INVALID' })
  t.deepEqual(
    (await realizing(store, [library])).events.map(event => event.type),
    ['planned'],
  )
})

test('a cancelled run throws CANCELLED and makes nothing more', async t => {
  const store = tempStore(t)
  const controller = new AbortController()
  const drv = filesStep('a', { a: '1' })
  const lock = await storeLock(store, hashDerivation(drv))
  const events: Event[] = []
  const running = realize(store, [infoStep('top', { drv })], {
    ...quietly(events),
    signal: controller.signal,
  })
  await until(() => events.some(event => event.type === 'waiting'))
  controller.abort()
  await t.throwsAsync(running, { code: 'CANCELLED' })
  lock.release()
  t.deepEqual(store.paths(), [])
})

test('two runs in one process make each step once', async t => {
  const store = tempStore(t)
  const other = openStore({ directory: store.directory, host: nodeHost })
  const runs = await Promise.all([
    realizing(store, [fixtureRoot(12)]),
    realizing(other, [fixtureRoot(12)]),
  ])
  const started = runs.flatMap(({ events }) => stepsOf(events, 'started'))
  t.is(started.length, 13)
  t.is(new Set(started).size, 13)
})

test('several processes make each step once between them', async t => {
  const directory = tempDirectory(t)
  const work = JSON.stringify({ directory, width: 20 })
  const runs = await Promise.all([1, 2, 3].map(() => run(process.execPath, [CHILD, work])))
  const started = runs.flatMap(({ stdout }) => stdout.split('\n').filter(Boolean))
  t.is(started.length, 21)
  t.is(new Set(started).size, 21)
})

test('a link is made for a root, and keeps it', async t => {
  const store = tempStore(t)
  const root = threeSteps()
  const link = join(tempDirectory(t), 'result')
  const { realized } = await realizing(store, [root], { links: new Map([[link, root]]) })
  const top = realized.get(root)?.out as never
  t.is(readlinkSync(link), store.hostPath(top))
  t.deepEqual((await collect(store, quietly())).objects, [])
})

test('a failure is told of before a link that cannot be made, and all others are made', async t => {
  const store = tempStore(t)
  const [one, two, bad] = [filesStep('one', {}), filesStep('two', {}), broken('bad')]
  const directory = tempDirectory(t)
  const at = (name: string): string => join(directory, name)
  writeFileSync(at('one'), 'precious')
  const links = new Map([
    [at('one'), one],
    [at('two'), two],
  ])
  const failing = realizing(store, [one, bad, two], { links, keepGoing: true })
  t.is((await t.throwsAsync<MixosError>(failing)).code, 'DERIVATION_INVALID')
  t.true(store.hostPath('x' as never).startsWith(join(readlinkSync(at('two')), '..')))
  t.is(
    (await t.throwsAsync<MixosError>(realizing(store, [one], { links }))).code,
    'FILE_UNAVAILABLE',
  )
})

test('what was collected meanwhile is made again, also by the same store', async t => {
  const store = tempStore(t)
  const root = threeSteps()
  const first = await realizing(store, [root])
  t.is((await collect(store, quietly())).objects.length, 3)
  const second = await realizing(store, [root])
  t.is(stepsOf(second.events, 'built').length, 3)
  t.deepEqual(second.realized.get(root), first.realized.get(root))
})

test('a run waits for a collection to end, and says so', async t => {
  const store = tempStore(t)
  const collecting = await storeLock(store, 'store')
  const events: Event[] = []
  const running = realize(store, [threeSteps()], quietly(events))
  t.deepEqual(
    events.map(event => event.type),
    ['warning'],
  )
  collecting.release()
  await t.notThrowsAsync(running)
})

test('a run leaves no temp files', async t => {
  const store = tempStore(t)
  await realizing(store, [threeSteps()])
  t.deepEqual(readdirSync(store.layout.scratch), [])
})

test('a full disk is an error that says so', async t => {
  const directory = join(tempDirectory(t), 'mixos')
  openStore({ directory, host: nodeHost })
  const host = watchedHost(nodeHost, change => {
    if (change === 'writeNew') throw Object.assign(new Error('full'), { code: 'ENOSPC' })
  })
  await t.throwsAsync(realizing(openStore({ directory, host }), [threeSteps()]), {
    code: 'DISK_FULL',
  })
})

test('a damaged trace is an error that names the file', async t => {
  const store = tempStore(t)
  const root = filesStep('a', { a: '1' })
  await realizing(store, [root])
  const at = store.layout.trace(hashDerivation(root))
  writeFileSync(at, readFileSync(at, 'utf8').replace('mixos-trace-1', 'mixos-trace-0'))
  await t.throwsAsync(realizing(store, [root]), { code: 'RECORD_INVALID', message: new RegExp(at) })
  unlinkSync(at)
  await t.notThrowsAsync(realizing(store, [root]))
})

function threeSteps(): Derivation {
  const library = filesStep('library', { 'lib/a': 'text', link: { symlink: 'lib/a' } })
  return infoStep('top', { info: infoStep('info', { library }) })
}

async function realizing(
  store: Store,
  roots: readonly Derivation[],
  options: Partial<RealizeOptions> = {},
) {
  const events: Event[] = []
  const realized = await realize(store, roots, { ...quietly(events), ...options })
  return { events, realized }
}

/** Labels of the steps that were started, or done in the given way, in order. */
function stepsOf(events: readonly Event[], what: 'started' | 'built' | 'reused'): string[] {
  return events.flatMap(event =>
    event.type === what || (event.type === 'done' && event.how === what) ? [event.label] : [],
  )
}

function broken(name: string): Derivation {
  return derivation({ name, version: '1', builder: ['builtin:files'], env: { files: '[]' } })
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(done => setTimeout(done, 2))
}

test('many steps that write many files end, also where the tool that flushes disks is made last', async t => {
  const store = tempStore(t)
  const busybox = filesStep('busybox', { 'usr/bin/busybox': 'no program' })
  const files = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`file-${at}`, 'text']))
  const steps = Array.from({ length: 40 }, (_, at) => filesStep(`step-${at}`, files))
  const tools = { ...quietly().tools, busybox }
  const realized = await realize(store, [...steps, busybox], { ...quietly(), tools })
  t.is(realized.size, 41)
})

test('what refers to an object that is gone is not there either, and is made whole again', async t => {
  const store = tempStore(t)
  const library = filesStep('library', { lib: 'text' })
  const root = infoStep('top', { info: infoStep('info', { library }) })
  const { realized } = await realizing(store, [library, root])
  const [gone, top] = [library, root].map(drv => realized.get(drv)?.out as StorePath)
  if (!gone || !top) return t.fail()
  unlinkSync(store.layout.record(digestOfPath(gone)))
  const { realized: again } = await realizing(store, [root])
  t.is(again.get(root)?.out, top)
  t.true(objectClosure(store, [top]).has(gone))
})
