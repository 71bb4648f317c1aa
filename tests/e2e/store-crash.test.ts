import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { collect } from '../../store/collect.ts'
import { removeTree } from '../../store/disk/remove.ts'
import { type Change, type Fault, faultyHost, watchedHost } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { openStore } from '../../store/store.ts'
import { verify } from '../../store/verify.ts'
import { endsWell, errorOf } from '../helpers/child.ts'
import { collectFixture, realizeFixture, type Work } from '../helpers/store-fixture.ts'
import { memoryDirectory } from '../helpers/temp-store.ts'

const CHILD = fileURLToPath(new URL('../helpers/realize-child.ts', import.meta.url))
// Each of these is a process; more at a time would wait for the processor.
const AT_A_TIME = 4

// Where others see a difference. That nothing else changes after a death is the same for all.
const VISIBLE: readonly Change[] = ['rename', 'exchange', 'link', 'symlink', 'unlink', 'sync']

test('a run that is killed leaves a store that the next run completes', async t => {
  const expected = await whole(t)
  await untilItSurvives(async at => {
    const directory = memoryDirectory(t)
    const fault: Fault = { at, how: 'kill', among: VISIBLE }
    if (await endsWell(CHILD, { directory, fault } satisfies Work)) return true
    await recover(t, { directory, expected, after: `killed at ${at}` })
    return false
  })
})

test('a run that is killed around a build in a sandbox leaves a store that the next run completes', async t => {
  const expected = await whole(t, { isBuilt: true })
  await untilItSurvives(async at => {
    const directory = memoryDirectory(t)
    const fault: Fault = { at, how: 'kill', among: VISIBLE }
    if (await endsWell(CHILD, { directory, isBuilt: true, fault } satisfies Work)) return true
    await recover(t, { directory, expected, after: `killed at ${at}`, isBuilt: true })
    return false
  })
})

test('a collection that is killed leaves a store that the next run completes', async t => {
  const expected = await whole(t)
  await untilItSurvives(async at => {
    const directory = await garbage(t)
    const fault: Fault = { at, how: 'kill', among: VISIBLE }
    if (await endsWell(CHILD, { directory, collect: true, fault } satisfies Work)) return true
    await recover(t, { directory, expected, after: `killed at ${at}` })
    return false
  })
})

for (const how of ['halt', 'EIO', 'ENOSPC'] as const) {
  const what = how === 'halt' ? 'after which nothing changes any more' : `that fails with ${how}`

  test(`whichever change of a run it is ${what}, the next run completes`, async t => {
    const expected = await whole(t)
    await failEach(how, async fault => {
      const directory = memoryDirectory(t)
      const error = await errorOf(realizeFixture(faultyHost(nodeHost, fault), { directory }))
      assertInjected(t, error, fault)
      await recover(t, { directory, expected, after: `${how} at ${fault.at}` })
      return error === undefined
    })
  })

  test(`whichever change of a collection it is ${what}, the next run completes`, async t => {
    const expected = await whole(t)
    await failEach(how, async fault => {
      const directory = await garbage(t)
      const error = await errorOf(collectFixture(faultyHost(nodeHost, fault), { directory }))
      assertInjected(t, error, fault)
      await recover(t, { directory, expected, after: `${how} at ${fault.at}` })
      return error === undefined
    })
  })
}

test('a run changes the disk in so many ways that the tests above say something', async t => {
  const changes = new Set<string>()
  let count = 0
  const host = watchedHost(nodeHost, change => {
    changes.add(change)
    count++
  })
  await realizeFixture(host, { directory: memoryDirectory(t) })
  t.true(count > 60, `${count} changes`)
  for (const change of ['writeNew', 'writeAt', 'sync', 'rename', 'link', 'symlink', 'unlink'])
    t.true(changes.has(change), change)
})

/** Everything that a run leaves: the objects and the links, as paths relative to the directory. */
interface Outcome {
  readonly objects: readonly string[]
  readonly links: readonly string[]
}

async function whole(t: ExecutionContext, kind: Pick<Work, 'isBuilt'> = {}): Promise<Outcome> {
  const directory = memoryDirectory(t)
  await realizeFixture(nodeHost, { directory, ...kind })
  return outcomeOf(directory)
}

/** A store that holds the fixture, and nothing that keeps it. */
async function garbage(t: ExecutionContext): Promise<string> {
  const directory = memoryDirectory(t)
  await realizeFixture(nodeHost, { directory })
  nodeHost.files.unlink(join(directory, 'result'))
  return directory
}

function outcomeOf(directory: string): Outcome {
  const store = openStore({ directory: join(directory, 'mixos'), host: nodeHost })
  const names = readdirSync(directory).filter(name => name !== 'mixos')
  const links = names.map(
    name => `${name}: ${readlinkSync(join(directory, name)).slice(directory.length)}`,
  )
  return { objects: store.paths(), links: links.sort() }
}

/** Also before anything is repaired, what has a record is whole. */
async function assertNothingInvalid(
  t: ExecutionContext,
  directory: string,
  after: string,
): Promise<void> {
  if (!existsSync(join(directory, 'mixos/version'))) return
  const store = openStore({ directory: join(directory, 'mixos'), host: nodeHost })
  t.deepEqual((await verify(store)).problems, [], after)
}

async function recover(
  t: ExecutionContext,
  { expected, after, ...work }: Work & { expected: Outcome; after: string },
): Promise<void> {
  const { directory } = work
  await assertNothingInvalid(t, directory, after)
  await realizeFixture(nodeHost, work)
  t.deepEqual(outcomeOf(directory), expected, after)
  const store = openStore({ directory: join(directory, 'mixos'), host: nodeHost })
  t.deepEqual((await verify(store)).problems, [], after)
  t.deepEqual((await collect(store, { signal: new AbortController().signal })).objects, [], after)
  t.deepEqual(outcomeOf(directory), expected, after)
  t.deepEqual(readdirSync(store.layout.scratch), [], after)
  t.deepEqual(readdirSync(store.layout.objects).sort(), [...expected.objects].sort(), after)
  t.is(readdirSync(store.layout.records).length, expected.objects.length, after)
  t.deepEqual(readdirSync(store.directory).length, 8, after)
  removeTree(nodeHost, directory)
}

/** Tries 1, 2, … until one survives, since then there is no such change any more. */
async function untilItSurvives(attempt: (at: number) => Promise<boolean>): Promise<void> {
  for (let from = 1; ; from += AT_A_TIME) {
    const batch = Array.from({ length: AT_A_TIME }, (_, index) => attempt(from + index))
    if ((await Promise.all(batch)).includes(true)) return
  }
}

/** Tries 1, 2, … until some in a row end well: a failure to clean up may be no failure of the whole. */
async function failEach(
  how: Fault['how'],
  attempt: (fault: Fault) => Promise<boolean>,
): Promise<void> {
  let well = 0
  for (let at = 1; well < 8; at++) well = (await attempt({ at, how })) ? well + 1 : 0
}

/** What is thrown is the injected error, or one that says what it means. */
function assertInjected(t: ExecutionContext, error: unknown, { at, how }: Fault): void {
  if (error === undefined) return
  const { code, cause } = error as { code?: string; cause?: { code?: string } }
  const isSaid = code === how || (how === 'ENOSPC' && code === 'DISK_FULL' && cause?.code === how)
  t.true(isSaid, `${how} at ${at} gave ${String(error)}`)
}
