import {
  existsSync,
  lstatSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Change } from '../../store/hosts/faulty.ts'
import { watchedHost } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { addRoot, listRoots, staleRoots } from '../../store/roots.ts'
import { openStore } from '../../store/store.ts'
import { addTree, tempDirectory, tempStore } from '../helpers/temp-store.ts'

test('a root is a link to the object, listed with its place', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'a', { tree: { a: '1' } })
  const link = join(tempDirectory(t), 'result')
  await addRoot(store, link, path)
  t.is(readlinkSync(link), store.hostPath(path))
  t.deepEqual(listRoots(store), [{ link, path }])
  t.deepEqual(staleRoots(store), [])
})

test('a root stays one under another name of the store', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'a', { tree: { a: '1' } })
  const places = tempDirectory(t)
  const link = join(places, 'result')
  await addRoot(store, link, path)
  symlinkSync(store.directory, join(places, 'store'))
  const other = openStore({ directory: join(places, 'store'), host: nodeHost })
  t.deepEqual(listRoots(other), [{ link, path }])
  t.deepEqual(staleRoots(other), [])
})

test('adding a root again changes nothing', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'a', { tree: { a: '1' } })
  const link = join(tempDirectory(t), 'result')
  await addRoot(store, link, path)
  const before = lstatSync(link)
  await addRoot(store, link, path)
  t.is(lstatSync(link).ino, before.ino)
  t.is(listRoots(store).length, 1)
})

test('a root moves to another object, and its link is never absent', async t => {
  const changes: Change[] = []
  const link = join(tempDirectory(t), 'result')
  const store = tempStore(
    t,
    watchedHost(nodeHost, (change, path) => {
      if (path === link) changes.push(change)
    }),
  )
  const first = await addTree(store, 'a', { tree: { a: '1' } })
  const second = await addTree(store, 'a', { tree: { a: '2' } })
  await addRoot(store, link, first)
  await addRoot(store, link, second)
  t.deepEqual(changes, ['symlink', 'rename'])
  t.deepEqual(listRoots(store), [{ link, path: second }])
})

test('a link to any object is replaced, but never a file, a directory or a link to something else', async t => {
  const store = tempStore(t)
  const directory = tempDirectory(t)
  const path = await addTree(store, 'a', { tree: { a: '1' } })
  const link = join(directory, 'link')
  symlinkSync(`/another/store/${path}`, link)
  await addRoot(store, link, path)
  t.is(readlinkSync(link), store.hostPath(path))
  symlinkSync('/elsewhere', join(directory, 'other'))
  await t.throwsAsync(addRoot(store, join(directory, 'other'), path), {
    code: 'FILE_UNAVAILABLE',
    message: /is a link to \/elsewhere, which is no object of a store$/,
  })
  const file = join(directory, 'file')
  writeFileSync(file, 'text')
  for (const taken of [file, directory]) {
    await t.throwsAsync(addRoot(store, taken, path), {
      code: 'FILE_UNAVAILABLE',
      message: /exists and is not a link$/,
    })
  }
})

test('many adding the same link at once is no error', async t => {
  const store = tempStore(t)
  const path = await addTree(store, 'a', { tree: { a: '1' } })
  const link = join(tempDirectory(t), 'result')
  await Promise.all([1, 2, 3].map(() => addRoot(store, link, path)))
  t.deepEqual(listRoots(store), [{ link, path }])
})

test('a link that is gone, leads elsewhere or became a file roots nothing', async t => {
  const store = tempStore(t)
  const directory = tempDirectory(t)
  const path = await addTree(store, 'a', { tree: { a: '1' } })
  const links = ['gone', 'moved', 'file', 'below/link'].map(name => join(directory, name))
  const [gone = '', moved = '', file = '', below = ''] = links
  nodeHost.files.makeDirectory(join(directory, 'below'))
  for (const link of links) await addRoot(store, link, path)
  for (const link of links) unlinkSync(link)
  symlinkSync(directory, moved)
  writeFileSync(file, '')
  nodeHost.files.removeDirectory(join(directory, 'below'))
  writeFileSync(join(directory, 'below'), '')
  t.false(existsSync(gone))
  t.false(existsSync(below))
  t.deepEqual(listRoots(store), [])
  t.is(staleRoots(store).length, 4)
})

test('the registration is on disk before the link is made', async t => {
  const link = join(tempDirectory(t), 'result')
  const changes: string[] = []
  const store = tempStore(
    t,
    watchedHost(nodeHost, (change, path) => changes.push(`${change} ${path}`)),
  )
  const path = await addTree(store, 'a', { tree: { a: '1' } })
  await addRoot(store, link, path)
  const registered = changes.indexOf(`sync ${store.layout.roots}`)
  t.true(registered >= 0 && registered < changes.indexOf(`symlink ${link}`))
})
