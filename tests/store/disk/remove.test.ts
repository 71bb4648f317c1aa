import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { removeTree } from '../../../store/disk/remove.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { type Tree, tempDirectory, writeTree } from '../../helpers/temp-store.ts'

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

test('an ordinary user gets rid of read-only directories, whatever their names and depth', t => {
  const parent = tempDirectory(t)
  asNobody(parent, () => {
    const tree = join(parent, 'tree')
    let inner = Buffer.from(join(parent, 'inner'))
    mkdirSync(inner)
    for (let depth = 0; depth < 40; depth++) {
      const outer = Buffer.from(join(parent, `outer-${depth}`))
      mkdirSync(outer)
      const name = Buffer.concat([Buffer.from('/'), Buffer.alloc(200, 0xff)])
      renameSync(inner, Buffer.concat([outer, name]))
      writeFileSync(Buffer.concat([outer, Buffer.from([0x2f, 0xfe])]), '')
      if (depth > 0) chmodSync(Buffer.concat([outer, name]), 0o555)
      inner = outer
    }
    renameSync(inner, tree)
    chmodSync(tree, 0o555)
    removeTree(nodeHost, tree)
    t.deepEqual(nodeHost.files.list(parent), [])
  })
})

test('thousands of directories, one in the other, go', t => {
  const tree = setUp(t, {})
  // A thousand at a time, each time below what was there.
  const names = Array.from({ length: 1000 }, () => 'd').join('/')
  for (let round = 0; round < 5; round++) {
    const next = join(tree, `round-${round}`)
    mkdirSync(join(next, names), { recursive: true })
    if (round > 0) renameSync(join(tree, `round-${round - 1}`), join(next, names, 'below'))
  }
  removeTree(nodeHost, tree)
  t.false(existsSync(tree))
})

/** Runs it as a user to whom modes apply; the directory is that user's. */
function asNobody(directory: string, action: () => void): void {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) chownSync(directory, 65534, 65534)
  try {
    if (isRoot) process.seteuid?.(65534)
    action()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

function setUp(t: ExecutionContext, tree: Tree): string {
  return writeTree(join(tempDirectory(t), 'tree'), tree)
}
