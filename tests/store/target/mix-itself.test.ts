import { readdirSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { StorePath } from '../../../graph/store-path.ts'
import { collect } from '../../../store/collect.ts'
import { faultyHost } from '../../../store/hosts/faulty.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { openStore, type Store } from '../../../store/store.ts'
import { ownPackage, replaceOwn, requireStart } from '../../../store/target/mix-itself.ts'
import { candidateOf } from '../../../store/target/plan-change.ts'
import { addPackage } from '../../helpers/package.ts'
import { watching } from '../../helpers/target-machine.ts'
import { memoryDirectory } from '../../helpers/temp-store.ts'

test('a machine without a mix of its own has none', async t => {
  t.is(ownPackage(storeIn(t)), undefined)
})

test('a replaced mix is the one from the next command on, and the one before it stays beside', async t => {
  const store = await withOwn(t, '1')
  t.is(ownPackage(store)?.version, '1')
  for (const version of ['2', '3']) await replaceOwn(store, await own(store, version))
  t.is(ownPackage(store)?.version, '3')
  t.deepEqual(linksOf(store), ['2', '3', 'current'])
  t.is(readlinkSync(join(store.layout.profiles, 'mix/current')), '3')
})

test('a collection keeps the mix that is in use and the one before', async t => {
  const store = await withOwn(t, '1')
  for (const version of ['2', '3']) await replaceOwn(store, await own(store, version))
  t.is((await collect(store, watching())).objects.length, 1)
  t.is(ownPackage(store)?.version, '3')
})

test('a mix that does not start is refused by version, with how it ended', async t => {
  const store = storeIn(t)
  await t.notThrowsAsync(requireStart(store, await own(store, '1')))
  await t.throwsAsync(requireStart(store, await own(store, '2', '#!/bin/sh\nexit 7\n')), {
    code: 'PACKAGE_INVALID',
    message: 'mix 2 does not start: it ended with 7',
  })
  await t.throwsAsync(requireStart(store, await own(store, '3', '#!/nothing\n')), {
    code: 'PACKAGE_INVALID',
    message: /^mix 3 does not start: it ended with spawn .* ENOENT$/,
  })
})

for (const how of ['halt', 'EIO', 'ENOSPC'] as const) {
  test(`at whichever change of a replacement there is ${how}, there is a mix, and it can be replaced`, async t => {
    let isWell = false
    for (let at = 1; !isWell; at++) {
      const store = await withOwn(t, '1')
      const next = await own(store, '2')
      const host = faultyHost(nodeHost, { at, how })
      isWell = await replaceOwn(openStore({ directory: store.directory, host }), next).then(
        () => true,
        () => false,
      )
      t.true(['1', '2'].includes(ownPackage(store)?.version ?? ''), `${how} at ${at}`)
      await replaceOwn(store, await own(store, '3'))
      t.is(ownPackage(store)?.version, '3')
    }
  })
}

const storeIn = (t: ExecutionContext): Store =>
  openStore({ directory: join(memoryDirectory(t), 'mix'), host: nodeHost })

async function withOwn(t: ExecutionContext, version: string): Promise<Store> {
  const store = storeIn(t)
  const { path } = await own(store, version)
  const directory = join(store.layout.profiles, 'mix')
  store.host.files.makeDirectory(directory)
  symlinkSync(store.hostPath(path), join(directory, '1'))
  symlinkSync('1', join(directory, 'current'))
  return store
}

async function own(store: Store, version: string, program = '#!/bin/sh\n') {
  const tree = { 'bin/mix': { executable: program } }
  const path: StorePath = await addPackage(store, 'mix', { version, tree })
  return candidateOf({ name: 'mix', version, dependencies: [], path })
}

const linksOf = ({ layout }: Store): string[] => readdirSync(join(layout.profiles, 'mix')).sort()
