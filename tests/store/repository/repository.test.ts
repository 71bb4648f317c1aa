import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { sum } from '../../../cli/format.ts'
import { MixosError } from '../../../graph/error.ts'
import { parsePackageIndex } from '../../../graph/package-index.ts'
import { digestOfPath, type StorePath } from '../../../graph/store-path.ts'
import { collectCache } from '../../../store/cache/collect.ts'
import { objectPath } from '../../../store/cache/layout.ts'
import { siblingsIn } from '../../../store/cache/local-files.ts'
import { pullerOf } from '../../../store/cache/pull.ts'
import { serveCache } from '../../../store/cache/serve.ts'
import { directoryStorage } from '../../../store/cache/storages/directory.ts'
import { workersOn } from '../../../store/cache/workers.ts'
import { watchedHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { readPublished } from '../../../store/repository/published.ts'
import { signMetadata, tufKeyId, tufKeyOf } from '../../../store/repository/tuf.ts'
import { slotsOf } from '../../../store/slots.ts'
import { openStore } from '../../../store/store.ts'
import { knownIndex, openRepository, updateIndex } from '../../../store/target/repository.ts'
import { PATIENCE, type Patience } from '../../../store/target/web-storage.ts'
import { serveDirectory } from '../../helpers/directory-server.ts'
import { addPackage } from '../../helpers/package.ts'
import { DAY, keysOf, NOW, packagesIn, published } from '../../helpers/repository.ts'
import { memoryDirectory } from '../../helpers/temp-store.ts'

const QUICK: Patience = { window: 300, bytes: 4096, retries: [] }

interface Machine {
  readonly state: string
  readonly rootJson: string
  update(address: string, now?: number, patience?: Patience): ReturnType<typeof updateIndex>
}

/** A machine that was shipped with the root metadata of the repository. */
function machine(t: ExecutionContext, directory: string, host = nodeHost): Machine {
  const state = join(memoryDirectory(t), 'state')
  const rootJson = readFileSync(join(directory, 'tuf', '1.root.json'), 'utf8')
  const { signal } = new AbortController()
  return {
    state,
    rootJson,
    update: (address, now = NOW, patience = QUICK) =>
      updateIndex(host, {
        repository: openRepository(host, address, patience),
        rootJson,
        stateDirectory: state,
        now,
        signal,
      }),
  }
}

/** The directory, served, with answers of one's own for some paths. */
async function served(
  t: ExecutionContext,
  directory: string,
  special: Readonly<Record<string, RequestListener>> = {},
): Promise<string> {
  return `http://127.0.0.1:${await serveDirectory(t, directory, path => special[path])}`
}

/** A repository with a program, and how to publish it again. */
async function repository(t: ExecutionContext) {
  const { store, program, library } = await packagesIn(t)
  const directory = join(memoryDirectory(t), 'repository')
  const publication = await published(store, directory, [program])
  return { store, program, library, directory, publication }
}

async function refusal(t: ExecutionContext, action: Promise<unknown>): Promise<MixosError> {
  const error = await t.throwsAsync<MixosError>(action)
  t.truthy(error.hint, error.message)
  return error
}

function edit(path: string, change: (data: { signed: Record<string, unknown> }) => void): void {
  const data = JSON.parse(readFileSync(path, 'utf8'))
  change(data)
  writeFileSync(path, JSON.stringify(data))
}

test('a repository tells of each package what it says of itself, its closure and its sizes', async t => {
  const { program, library, directory, publication } = await repository(t)
  const { index } = await machine(t, directory).update(directory)
  t.deepEqual(index, publication.index)
  const [entry] = index.packages
  t.like(entry, {
    name: 'program',
    version: '1',
    path: program,
    closure: [library, program].sort(),
  })
  t.true(sum(entry?.sizes ?? []) > 400)
  t.true(sum(entry?.downloads ?? []) > 0)
})

test('an update from a web server takes the index once, and then finds nothing new', async t => {
  const { directory } = await repository(t)
  const signal = new AbortController().signal
  const serving = await serveCache({
    host: nodeHost,
    directory,
    address: '127.0.0.1',
    port: 0,
    signal,
  })
  t.teardown(() => serving.close())
  const { update, state } = machine(t, directory)
  t.true((await update(serving.url, NOW, PATIENCE)).isNew)
  t.false((await update(serving.url, NOW, PATIENCE)).isNew)
  t.is(knownIndex(nodeHost, state)?.packages[0]?.name, 'program')
})

test('what is published again is found, and old files go, but for those of the last time', async t => {
  const { store, program, directory } = await repository(t)
  const { update } = machine(t, directory)
  t.is((await update(directory)).version, 1)
  const other = await addPackage(store, 'other')
  await published(store, directory, [other], { keep: true, now: NOW + DAY })
  const { index, version } = await update(directory, NOW + DAY)
  t.deepEqual(
    index.packages.map(({ name }) => name),
    ['other', 'program'],
  )
  t.is(version, 2)
  await published(store, directory, [program], { now: NOW + DAY })
  const left = readdirSync(join(directory, 'tuf')).sort()
  t.deepEqual(left, [
    '1.root.json',
    '2.snapshot.json',
    '2.targets.json',
    '3.snapshot.json',
    '3.targets.json',
    'root.json',
    'targets',
    'timestamp.json',
  ])
  t.is(readdirSync(join(directory, 'tuf', 'targets')).length, 2)
})

test('what a repository offers is pulled by a machine that has the index, from a web server', async t => {
  const { directory, store, program, library } = await repository(t)
  const url = await served(t, directory)
  const { index } = await machine(t, directory).update(url, NOW, PATIENCE)
  const target = openStore({ directory: join(memoryDirectory(t), 'mixos'), host: nodeHost })
  const puller = pullerOf(target, {
    workers: workersOn(nodeHost, { threads: false }),
    siblings: siblingsIn(target),
    downloads: slotsOf(4),
    signal: new AbortController().signal,
  })
  let bytes = 0
  const onBytes = (count: number): void => {
    bytes += count
  }
  const path = index.packages[0]?.path as StorePath
  await puller.pull(openRepository(nodeHost, url), path, { onBytes })
  t.deepEqual(target.record(program), store.record(program))
  t.true(target.has(library))
  t.deepEqual(sum(index.packages[0]?.downloads ?? []), bytes)
})

test('a collection of a repository keeps what it offers, and deletes what it offers no more', async t => {
  const { directory, store, program, library } = await repository(t)
  const other = await addPackage(store, 'other')
  await published(store, directory, [other], { keep: true })
  const storage = directoryStorage(nodeHost, directory)
  const signal = new AbortController().signal
  const later = Date.now() + DAY
  const collect = () =>
    collectCache(storage, {
      keep: new Set(),
      since: later,
      youngerThan: later,
      signal,
      dryRun: false,
    })
  t.is((await collect()).objects, 0)
  await published(store, directory, [program])
  t.is((await collect()).objects, 1)
  t.true(await storage.has(objectPath(digestOfPath(library)), { signal }))
  t.false(await storage.has(objectPath(digestOfPath(other)), { signal }))
})

test('a publication brings again what a collection took before the index was there', async t => {
  const { directory, store, program, library } = await repository(t)
  const { files } = store.host
  const taken = join(directory, objectPath(digestOfPath(library)))
  const rename: typeof files.rename = (from, to) => {
    files.rename(from, to)
    if (to.endsWith('.snapshot.json')) files.unlink(taken)
  }
  const host = { ...store.host, files: { ...files, rename } }
  await published({ ...store, host }, directory, [program])
  t.true(existsSync(taken))
})

test('two packages of one name and version are refused by name', async t => {
  const { store, program, directory } = await repository(t)
  const other = await addPackage(store, 'program', { tree: { 'bin/other': '' } })
  const error = await refusal(t, published(store, directory, [program, other]))
  t.is(error.code, 'PACKAGE_CONFLICT')
  t.true(error.message.includes(program) && error.message.includes(other))
})

test('an object that says nothing of itself is no package', async t => {
  const { store, library, directory } = await repository(t)
  const error = await refusal(t, published(store, directory, [library]))
  t.is(error.code, 'PACKAGE_INVALID')
  t.true(error.message.includes(library))
})

test('an expired index is refused with both dates, and the last good one stays', async t => {
  const { directory } = await repository(t)
  const { update, state } = machine(t, directory)
  await update(directory)
  const error = await refusal(t, update(directory, NOW + 15 * DAY))
  t.is(error.code, 'REPOSITORY_INVALID')
  t.regex(
    error.message,
    /timestamp\.json expired at "2026-02-14T00:00:00Z", and it is 2026-02-15T00:00:00Z here/,
  )
  t.is(knownIndex(nodeHost, state)?.packages.length, 1)
})

test('an expired index is refused by a machine that has none yet', async t => {
  const { directory } = await repository(t)
  const error = await refusal(t, machine(t, directory).update(directory, NOW + 15 * DAY))
  t.regex(error.message, /timestamp\.json expired at/)
})

test('an expired root is refused', async t => {
  const { store, program, directory } = await repository(t)
  await published(store, directory, [program], {
    keys: { ...keysOf('a'), root: [] },
    now: NOW + 360 * DAY,
  })
  const error = await refusal(t, machine(t, directory).update(directory, NOW + 366 * DAY))
  t.regex(error.message, /root\.json expired at "2027-01-31T00:00:00Z"/)
})

test('an older index than one that was seen is refused with both versions', async t => {
  const { store, program, directory } = await repository(t)
  const old = join(memoryDirectory(t), 'old')
  cpSync(directory, old, { recursive: true })
  await published(store, directory, [program])
  const { update } = machine(t, directory)
  await update(directory)
  const error = await refusal(t, update(old))
  t.is(error.code, 'REPOSITORY_INVALID')
  t.regex(error.message, /timestamp\.json has version 1, version 2 was seen before/)
})

test('files of two publications together are refused', async t => {
  const { store, directory } = await repository(t)
  const tuf = join(directory, 'tuf')
  const old = readFileSync(join(tuf, '1.snapshot.json'))
  await published(store, directory, [await addPackage(store, 'other')])
  writeFileSync(join(tuf, '2.snapshot.json'), old)
  const error = await refusal(t, machine(t, directory).update(directory))
  t.is(error.code, 'REPOSITORY_INVALID')
  t.regex(error.message, /snapshot\.json is not the one that the rest of the index names/)
})

test('an index other than the signed one is refused with both hashes', async t => {
  const { directory } = await repository(t)
  const [name = ''] = readdirSync(join(directory, 'tuf', 'targets'))
  const path = join(directory, 'tuf', 'targets', name)
  writeFileSync(path, readFileSync(path, 'utf8').replace('MIT', 'GPL'))
  const { update, state } = machine(t, directory)
  const error = await refusal(t, update(directory))
  t.regex(
    error.message,
    /expected \d+ bytes with sha256:[0-9a-f]{64}, got \d+ with sha256:[0-9a-f]{64}/,
  )
  t.is(knownIndex(nodeHost, state), undefined)
})

test('metadata without a signature is refused', async t => {
  const { directory } = await repository(t)
  const path = join(directory, 'tuf', 'timestamp.json')
  edit(path, data => Object.assign(data, { signatures: [] }))
  const unsigned = await refusal(t, machine(t, directory).update(directory))
  t.regex(
    unsigned.message,
    /timestamp\.json is not signed by the key that root metadata 1 names for it, but by nobody/,
  )
})

test('metadata by other keys is refused', async t => {
  const { store, program, directory } = await repository(t)
  const other = join(memoryDirectory(t), 'other')
  await published(store, other, [program], { keys: keysOf('b') })
  const { update } = machine(t, directory)
  const error = await refusal(t, update(other))
  t.is(error.code, 'REPOSITORY_INVALID')
  t.regex(
    error.message,
    /is not signed by the key that root metadata 1 names for it, but by "[0-9a-f]{64}"/,
  )
})

test('new keys are believed when the old root key signed for them, and no other way', async t => {
  const { store, program, directory } = await repository(t)
  const [before, after] = [keysOf('a'), keysOf('b')]
  const alone = await refusal(t, published(store, directory, [program], { keys: after }))
  t.is(alone.code, 'KEY_INVALID')
  const { update, state } = machine(t, directory)
  await update(directory)
  const both = { ...after, root: [...after.root, ...before.root] }
  t.is((await published(store, directory, [program], { keys: both })).versions.root, 2)
  await update(directory)
  t.is(JSON.parse(readFileSync(join(state, 'root.json'), 'utf8')).signed.version, 2)
  await published(store, directory, [program], { keys: after })
  t.is((await update(directory)).version, 3)
})

test('root metadata that was put in the place of another is believed from then on, and the other no more', async t => {
  const { store, program, directory } = await repository(t)
  const believing = machine(t, directory)
  // The root has moved on since it was shipped.
  const both = { ...keysOf('c'), root: [...keysOf('c').root, ...keysOf('a').root] }
  await published(store, directory, [program], { keys: both })
  await believing.update(directory)
  const other = join(memoryDirectory(t), 'other')
  await published(store, other, [await addPackage(store, 'other')], { keys: keysOf('b') })
  const rootJson = readFileSync(join(other, 'tuf', '1.root.json'), 'utf8')
  const { state } = believing
  const update = (address: string) =>
    updateIndex(nodeHost, {
      repository: openRepository(nodeHost, address),
      rootJson,
      stateDirectory: state,
      now: NOW,
      signal: new AbortController().signal,
    })
  t.regex((await refusal(t, update(directory))).message, /root\.json is not signed by the key/)
  for (const isNew of [true, false]) t.is((await update(other)).isNew, isNew)
  t.deepEqual(
    knownIndex(nodeHost, state)?.packages.map(({ name }) => name),
    ['other'],
  )
  await refusal(t, update(directory))
})

test('without its key, the root metadata is used as it is', async t => {
  const { store, program, directory } = await repository(t)
  const keys = { ...keysOf('a'), root: [] }
  t.is((await published(store, directory, [program], { keys })).versions.root, 1)
  const empty = join(memoryDirectory(t), 'empty')
  t.is((await refusal(t, published(store, empty, [program], { keys }))).code, 'KEY_INVALID')
  t.false(existsSync(join(empty, 'tuf')))
})

test('an answer without an end is cut off', async t => {
  const { directory } = await repository(t)
  const url = await served(t, directory, {
    '/tuf/timestamp.json': (_, response) => {
      const chunk = Buffer.alloc(16_384, ' ')
      const more = (): void => void (response.destroyed || response.write(chunk, more))
      more()
    },
  })
  const error = await refusal(t, machine(t, directory).update(url))
  t.is(error.code, 'REPOSITORY_INVALID')
  t.regex(error.message, /timestamp\.json is longer than it may be, expected at most 16384 bytes/)
})

test('an answer that trickles, and one that never comes, are given up', async t => {
  const { directory } = await repository(t)
  const trickling = await served(t, directory, {
    '/tuf/timestamp.json': (_, response) => {
      const timer = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
    },
  })
  const slow = await refusal(t, machine(t, directory).update(trickling))
  t.is(slow.code, 'REPOSITORY_UNAVAILABLE')
  t.regex(slow.message, /timestamp\.json: too slow: \d+ bytes in [\d.]+ s, expected \d+$/)
  const silent = await served(t, directory, { '/tuf/timestamp.json': () => undefined })
  t.regex(
    (await refusal(t, machine(t, directory).update(silent))).message,
    /timestamp\.json: no data for [\d.]+ s$/,
  )
})

test('a server that is not there, or fails, is unavailable', async t => {
  const { directory } = await repository(t)
  const gone = await refusal(t, machine(t, directory).update('http://127.0.0.1:1'))
  t.is(gone.code, 'REPOSITORY_UNAVAILABLE')
  t.regex(gone.message, /ECONNREFUSED/)
  const url = await served(t, directory, {
    '/tuf/2.root.json': (_, response) => void response.writeHead(500).end(),
  })
  t.regex((await refusal(t, machine(t, directory).update(url))).message, /the server answers 500/)
})

test('what is no repository is told from one', async t => {
  const { directory } = await repository(t)
  const { update } = machine(t, directory)
  const empty = join(memoryDirectory(t), 'empty')
  mkdirSync(join(empty, 'tuf'), { recursive: true })
  t.regex((await refusal(t, update(empty))).message, /timestamp\.json is missing/)
  writeFileSync(join(empty, 'tuf', 'timestamp.json'), '<html>')
  t.regex((await refusal(t, update(empty))).message, /timestamp\.json is not valid metadata/)
})

const FORGERIES: Readonly<Record<string, (data: { signed: Record<string, unknown> }) => void>> = {
  'timestamp.json': ({ signed }) => Object.assign(signed, { version: 900_719_925_474_099 }),
  '1.snapshot.json': ({ signed }) => Object.assign(signed, { version: 7 }),
  '1.targets.json': data => Object.assign(data, { signatures: [] }),
  '1.root.json': ({ signed }) => Object.assign(signed, { expires: '2100-01-01T00:00:00Z' }),
}

for (const [name, forge] of Object.entries(FORGERIES)) {
  test(`a publication takes over nothing from a ${name} that its keys did not sign`, async t => {
    const { store, program, directory } = await repository(t)
    const path = join(directory, 'tuf', name)
    edit(path, forge)
    const forged = readFileSync(path)
    const error = await refusal(t, published(store, directory, [program], { keep: true }))
    t.is(error.code, 'REPOSITORY_INVALID')
    t.true(error.message.includes(name), error.message)
    t.deepEqual(readFileSync(path), forged)
  })
}

test('a publication takes over nothing where another key vouches for the root metadata', async t => {
  const { store, program, directory } = await repository(t)
  const [ours, theirs] = [keysOf('a'), keysOf('b')]
  const evil = await addPackage(store, 'evil')
  rmSync(join(directory, 'tuf'), { recursive: true })
  await published(store, directory, [evil], { keys: theirs })
  // It names our key too, and so it is one of those that may sign the next.
  const path = join(directory, 'tuf', '1.root.json')
  const { signed } = JSON.parse(readFileSync(path, 'utf8'))
  const [root] = ours.root
  if (!root) return t.fail()
  signed.roles.root.keyids.push(tufKeyId(tufKeyOf(root)))
  signed.keys[tufKeyId(tufKeyOf(root))] = tufKeyOf(root)
  writeFileSync(path, signMetadata(signed, theirs.root))
  writeFileSync(join(directory, 'tuf', 'root.json'), signMetadata(signed, theirs.root))
  const error = await refusal(t, published(store, directory, [program], { keep: true, keys: ours }))
  t.is(error.code, 'KEY_INVALID')
  t.regex(error.message, /which did not sign root metadata 1$/)
})

test('a change of keys that is killed anywhere is completed by the next publication', async t => {
  const { store, program, directory } = await repository(t)
  const [before, after] = [keysOf('a'), keysOf('b')]
  const keys = { ...after, root: [...after.root, ...before.root] }
  const copy = join(memoryDirectory(t), 'copy')
  const hints = new Set<string | undefined>()
  let isPast = false
  for (let at = 0; !isPast; at++) {
    rmSync(copy, { recursive: true, force: true })
    cpSync(directory, copy, { recursive: true })
    let changes = 0
    const host = watchedHost(nodeHost, (_, path) => {
      if (path.startsWith(copy) && changes++ === at) throw new Error('killed')
    })
    const error = await published({ ...store, host }, copy, [program], { keys }).catch(
      error => error,
    )
    isPast = !(error instanceof Error)
    const storage = directoryStorage(nodeHost, copy)
    const read = await readPublished(storage, { signal: new AbortController().signal }).catch(
      (error: MixosError) => error,
    )
    if (read instanceof MixosError) hints.add(read.hint)
    const { index } = await published(store, copy, [], { keep: true, keys })
    t.deepEqual(
      index.packages.map(({ name }) => name),
      ['program'],
      `killed at ${at}`,
    )
  }
  // Until then, such as in a collection of garbage.
  t.is(hints.size, 1)
  t.regex([...hints][0] ?? '', /^a change of keys was cut off.*: mixos repo sign --to/)
})

test('a publication does not begin anew where its timestamp is gone', async t => {
  const { store, program, directory } = await repository(t)
  await published(store, directory, [program])
  rmSync(join(directory, 'tuf', 'timestamp.json'))
  const error = await refusal(t, published(store, directory, [program]))
  t.regex(error.message, /has tuf\/2\.(snapshot|targets)\.json, but no tuf\/timestamp\.json/)
})

test('a publication tells of root metadata that is missing in between', async t => {
  const { store, program, directory } = await repository(t)
  const [before, after] = [keysOf('a'), keysOf('b')]
  await published(store, directory, [program], {
    keys: { ...after, root: [...after.root, ...before.root] },
  })
  rmSync(join(directory, 'tuf', '1.root.json'))
  const error = await refusal(t, published(store, directory, [program], { keys: after }))
  t.regex(error.message, /1\.root\.json is missing, and tuf\/root\.json is version 2/)
})

test('an index that is damaged before it was signed names package, field and value', async t => {
  const text = '{"packages":[{"name":"x","version":"../1"}]}'
  const error = t.throws<MixosError>(() => parsePackageIndex(text, 'it'))
  t.is(error.code, 'PACKAGE_INVALID')
  t.regex(error.message, /^it: package 1 \(x\): /)
})

test('an update that is stopped at any change of the disk leaves a good index and goes on', async t => {
  const { store, directory, program } = await repository(t)
  const { state, update, rootJson } = machine(t, directory)
  await update(directory)
  const old = join(memoryDirectory(t), 'state')
  cpSync(state, old, { recursive: true })
  await published(store, directory, [program, await addPackage(store, 'other')])
  const signal = new AbortController().signal
  let stopped = 0
  for (let at = 1; ; at++) {
    rmSync(state, { recursive: true })
    cpSync(old, state, { recursive: true })
    let changes = 0
    const host = watchedHost(nodeHost, () => {
      changes++
      if (changes >= at) throw new Error('the power is gone')
    })
    const options = { rootJson, stateDirectory: state, now: NOW, signal }
    const error = await updateIndex(host, {
      ...options,
      repository: openRepository(nodeHost, directory),
    }).then(
      () => undefined,
      error => error as Error,
    )
    t.true([1, 2].includes(knownIndex(nodeHost, state)?.packages.length ?? 0))
    t.is((await update(directory)).index.packages.length, 2)
    if (!error) break
    stopped++
  }
  t.true(stopped > 10)
})

test('a publication that is stopped at any change of the disk leaves the old offer or the new one', async t => {
  const { directory, store, program } = await repository(t)
  const other = await addPackage(store, 'other')
  const old = join(memoryDirectory(t), 'old')
  cpSync(directory, old, { recursive: true })
  const found = new Set<number>()
  for (let at = 1; ; at += 3) {
    rmSync(directory, { recursive: true })
    cpSync(old, directory, { recursive: true })
    let changes = 0
    const host = watchedHost(nodeHost, () => {
      changes++
      if (changes >= at) throw new Error('the power is gone')
    })
    const stopped = await published({ ...store, host }, directory, [program, other]).then(
      () => false,
      () => true,
    )
    const { index } = await machine(t, directory).update(directory)
    found.add(index.packages.length)
    t.is((await published(store, directory, [program, other])).index.packages.length, 2)
    if (!stopped) break
  }
  t.deepEqual([...found].sort(), [1, 2])
})

test('no change of a byte of a repository gives another index', async t => {
  const { directory, publication } = await repository(t)
  const tuf = join(directory, 'tuf')
  const files = readdirSync(tuf, { recursive: true, encoding: 'utf8' }).filter(
    name => name.endsWith('.json') && !name.endsWith('root.json'),
  )
  const { state, update } = machine(t, directory)
  t.is(files.length, 4)
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...files),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (name, n, by) => {
        const path = join(tuf, name)
        const good = readFileSync(path)
        const bad = Buffer.from(good)
        bad[n % bad.length] = (bad[n % bad.length] as number) ^ by
        writeFileSync(path, bad)
        rmSync(state, { recursive: true, force: true })
        try {
          t.deepEqual((await update(directory)).index, publication.index)
        } catch (error) {
          t.is((error as MixosError).code, 'REPOSITORY_INVALID', String((error as Error).stack))
          t.is(knownIndex(nodeHost, state), undefined)
        } finally {
          writeFileSync(path, good)
        }
      },
    ),
    { numRuns: 150 },
  )
})
