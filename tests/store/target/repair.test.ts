import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { digestOfPath, type StorePath } from '../../../graph/store-path.ts'
import { directoryStorage } from '../../../store/cache/storages/directory.ts'
import { removeTree } from '../../../store/disk/remove.ts'
import type { Host } from '../../../store/host.ts'
import { faultyHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { addRoot } from '../../../store/roots.ts'
import { openStore, type Store } from '../../../store/store.ts'
import { type Repaired, repair } from '../../../store/target/repair.ts'
import { packagesIn, published } from '../../helpers/repository.ts'
import { profileOf } from '../../helpers/target-machine.ts'
import { cutShort, memoryDirectory } from '../../helpers/temp-store.ts'

test('whatever a repair was about to change when it stopped, the object is there, with its record', async t => {
  const { repository, path } = await offered(t)
  let well = 0
  for (let at = 1; well < 4; at++) {
    const { store } = await packagesIn(t)
    cutShort(join(store.hostPath(path), 'bin/program'))
    const faulty = faultyHost(nodeHost, { at, how: 'halt' })
    const ended = await repaired(store, { host: faulty, repository, path }).then(
      () => true,
      () => false,
    )
    well = ended ? well + 1 : 0
    const after = `halt at ${at}`
    t.truthy(nodeHost.files.lstat(join(store.hostPath(path), 'bin/program')), after)
    t.is(again(store).record(path)?.path, path, after)
    const { problems } = await repaired(store, { host: nodeHost, repository, path })
    t.deepEqual(problems, [], after)
    removeTree(nodeHost, store.directory)
  }
})

test('where two names cannot be exchanged, a damaged object is replaced all the same', async t => {
  const { repository, path } = await offered(t)
  const { store } = await packagesIn(t)
  cutShort(join(store.hostPath(path), 'bin/program'))
  const host = { ...nodeHost, files: { ...nodeHost.files, exchange: () => false } }
  t.deepEqual(await repaired(store, { host, repository, path }), {
    checked: 2,
    problems: [],
    repaired: [path],
  })
})

test('a damaged record is written anew', async t => {
  const { repository, path } = await offered(t)
  const { store } = await packagesIn(t)
  const record = store.layout.record(digestOfPath(path))
  nodeHost.files.unlink(record)
  nodeHost.files.writeNew(record, '{')
  const { problems } = await repaired(store, { host: nodeHost, repository, path })
  t.deepEqual(problems, [])
})

test('what nobody offers gets its record anew if its tree is what its name says', async t => {
  const { store, library, program } = await packagesIn(t)
  const profile = await profileOf(store, [program])
  await addRoot(store, join(memoryDirectory(t), 'result'), profile)
  for (const path of [profile, program, library]) {
    nodeHost.files.unlink(store.layout.record(digestOfPath(path)))
  }
  const of = { sourceOf: async () => undefined, signal: new AbortController().signal }
  t.deepEqual(await repair(again(store), of), {
    checked: 3,
    problems: [],
    repaired: [profile, program, library].sort(),
  })

  cutShort(join(store.hostPath(program), 'bin/program'))
  nodeHost.files.unlink(store.layout.record(digestOfPath(program)))
  const { problems } = await repair(again(store), of)
  t.deepEqual(
    problems.map(({ missing }) => missing),
    [program],
  )
})

const again = ({ directory }: Store, host: Host = nodeHost): Store => openStore({ directory, host })

/** A program, and a repository that offers it. */
async function offered(t: ExecutionContext): Promise<{ repository: string; path: StorePath }> {
  const { store, program } = await packagesIn(t)
  const repository = join(memoryDirectory(t), 'repository')
  await published(store, repository, [program])
  return { repository, path: program }
}

function repaired(
  store: Store,
  { host, repository, path }: { host: Host; repository: string; path: StorePath },
): Promise<Repaired> {
  const storage = directoryStorage(nodeHost, repository)
  return repair(again(store, host), {
    sourceOf: async digest => (digest === digestOfPath(path) ? { path, storage } : undefined),
    signal: new AbortController().signal,
  })
}
