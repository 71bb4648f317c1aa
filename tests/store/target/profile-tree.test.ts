import { lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { digestOfPath, type StorePath } from '../../../graph/store-path.ts'
import { removeTree } from '../../../store/disk/remove.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { objectClosure } from '../../../store/object-closure.ts'
import { openStore, type Store } from '../../../store/store.ts'
import { addProfile, writeProfile } from '../../../store/target/profile-tree.ts'
import { verify } from '../../../store/verify.ts'
import { addPackage } from '../../helpers/package.ts'
import { addTree, memoryDirectory, tamper } from '../../helpers/temp-store.ts'

const spec = { label: 'system-1', requested: ['web', 'base'] }

test('a profile is the object that its tree would be if it was read', async t => {
  const { store, base, web } = await packagesIn(t)
  const packages = [web, base]
  const source = join(store.scratch(), 'profile')
  writeProfile(store, { ...spec, packages }, source)
  const candidates = new Map(
    [...objectClosure(store, packages)].map(path => [digestOfPath(path), path]),
  )
  const { label } = spec
  const prepared = store.prepare({ source, label, candidates, maker: 'the test' })
  const path = await addProfile(store, { ...spec, packages })
  t.is(path, prepared.path)
  t.deepEqual(store.record(path)?.manifest.references, prepared.references)
  t.deepEqual((await verify(store)).problems, [])
})

test('a profile shares the symlinks of the one before that are the same, and outlives it', async t => {
  const { store, base, web } = await packagesIn(t)
  const before = await addProfile(store, { ...spec, packages: [base] })
  const after = await addProfile(store, { ...spec, packages: [base, web], before })
  t.is(inodeOf(store, before, 'bin/base'), inodeOf(store, after, 'bin/base'))
  t.deepEqual((await verify(store)).problems, [])
  removeTree(nodeHost, store.hostPath(before))
  nodeHost.files.unlink(store.layout.record(digestOfPath(before)))
  t.deepEqual((await verify(store)).problems, [])
})

for (const [what, damage] of [
  ['leads elsewhere', (at: string) => symlinkSync('/elsewhere', at)],
  ['is gone', () => undefined],
  ['is a directory', (at: string) => nodeHost.files.makeDirectory(at)],
  ['has another time', (at: string, to: string) => symlinkSync(to, at)],
] as const) {
  test(`a symlink of the profile before that ${what} is not shared`, async t => {
    const { store, base, web } = await packagesIn(t)
    const before = await addProfile(store, { ...spec, packages: [base] })
    const damaged = join(store.hostPath(before), 'bin/base')
    const to = readlinkSync(damaged)
    tamper(dirname(damaged), () => {
      rmSync(damaged)
      damage(damaged, to)
    })
    const after = await addProfile(store, { ...spec, packages: [base, web], before })
    t.is(readlinkSync(join(store.hostPath(after), 'bin/base')), to)
    const problems = (await verify(store)).problems.map(({ path }) => path)
    t.deepEqual([...new Set(problems)], [before])
  })
}

test('a file system that gives no second names gets symlinks of its own', async t => {
  const { store, base, web } = await packagesIn(t)
  const before = await addProfile(store, { ...spec, packages: [base] })
  const files = { ...nodeHost.files, link: () => false }
  const another = openStore({ directory: store.directory, host: { ...nodeHost, files } })
  const after = await addProfile(another, { ...spec, packages: [base, web], before })
  t.not(inodeOf(store, before, 'bin/base'), inodeOf(store, after, 'bin/base'))
  t.deepEqual((await verify(store)).problems, [])
})

/** Of which one refers to a third object, and one brings nothing but what it says of itself. */
async function packagesIn(t: ExecutionContext) {
  const store = openStore({ directory: join(memoryDirectory(t), 'mix'), host: nodeHost })
  const library = await addTree(store, 'library', { tree: { 'lib/a.so': 'code' } })
  const base = await addPackage(store, 'base', {
    tree: { 'bin/base': { executable: library }, 'sbin/init': { symlink: '../bin/base' } },
    references: [library],
  })
  const web = await addPackage(store, 'web', {
    tree: { 'etc/web/sites/one.conf': 'one\n', 'etc/web.conf': 'web\n', 'lib/web.so': 'code' },
  })
  return { store, base, web }
}

const inodeOf = (store: Store, profile: StorePath, path: string): number =>
  lstatSync(join(store.hostPath(profile), path)).ino
