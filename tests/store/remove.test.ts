import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { nodeHost } from '../../store/hosts/node.ts'
import { removeTree } from '../../store/remove.ts'
import { type Tree, tempDirectory, writeTree } from '../helpers/temp-store.ts'

test('a tree of read-only directories goes', t => {
  const tree = setUp(t, { 'a/b/c': '', 'a/d': { symlink: 'b' } })
  for (const path of ['a/b', 'a', '']) chmodSync(join(tree, path), 0o555)
  removeTree(nodeHost, tree)
  t.false(existsSync(tree))
})

test('what a symlink leads to stays', t => {
  const outside = setUp(t, { file: 'text' })
  removeTree(nodeHost, setUp(t, { link: { symlink: outside } }))
  t.is(readFileSync(join(outside, 'file'), 'utf8'), 'text')
})

test('a file and a symlink go, and nothing is no error', t => {
  const tree = setUp(t, { file: '', link: { symlink: 'nowhere' } })
  for (const name of ['file', 'link', 'missing']) removeTree(nodeHost, join(tree, name))
  t.deepEqual(nodeHost.files.list(tree), [])
})

test('a name that is not UTF-8 is no obstacle', t => {
  const tree = setUp(t, { 'a/b': '' })
  const name = Buffer.concat([Buffer.from(`${tree}/a/`), Buffer.from([0x61, 0xff])])
  mkdirSync(name)
  writeFileSync(Buffer.concat([name, Buffer.from([0x2f, 0xfe])]), '')
  removeTree(nodeHost, tree)
  t.false(existsSync(tree))
})

test('directories nested deeper than a path may be long go', t => {
  const tree = setUp(t, {})
  // Each round moves what there is one long level down.
  const level = 'd'.repeat(200)
  mkdirSync(join(tree, 'inner'))
  for (let depth = 0; depth < 40; depth++) {
    mkdirSync(join(tree, 'outer'))
    nodeHost.files.rename(join(tree, 'inner'), join(tree, 'outer', level))
    nodeHost.files.rename(join(tree, 'outer'), join(tree, 'inner'))
  }
  removeTree(nodeHost, tree)
  t.false(existsSync(tree))
})

function setUp(t: ExecutionContext, tree: Tree): string {
  return writeTree(join(tempDirectory(t), 'tree'), tree)
}
