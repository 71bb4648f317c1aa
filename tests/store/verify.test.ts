import {
  chmodSync,
  closeSync,
  cpSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Digest, digestOfPath } from '../../graph/store-path.ts'
import { removeTree } from '../../store/disk/remove.ts'
import type { Files } from '../../store/host.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { addRoot } from '../../store/roots.ts'
import type { Store } from '../../store/store.ts'
import { verify } from '../../store/verify.ts'
import { addTree, tamper, tempDirectory, tempStore, writeTree } from '../helpers/temp-store.ts'

const tree = { 'bin/hi': { executable: '#!/bin/sh\n' }, 'lib/a': 'text', link: { symlink: 'bin' } }

test('an object as it was added has no problems', async t => {
  const { store } = await setUp(t)
  t.deepEqual(await verify(store), { checked: 1, problems: [] })
})

const damages: Record<string, [damage: (at: string) => void, message: RegExp]> = {
  'a flipped bit': [
    at => overwrite(join(at, 'lib/a'), 0, 'u'),
    /^lib\/a: expected b3:\w+, got b3:/,
  ],
  'a shorter file': [at => truncateSync(join(at, 'lib/a'), 3), /^lib\/a: expected 4 bytes, got 3$/],
  'a missing file': [
    at => tamper(join(at, 'bin'), bin => unlinkSync(join(bin, 'hi'))),
    /^bin\/hi: is missing$/,
  ],
  'an extra file': [
    at => tamper(join(at, 'bin'), bin => writeFileSync(join(bin, 'ho'), '')),
    /^bin\/ho: is there, but not in/,
  ],
  'an extra directory': [
    at => tamper(at, () => mkdirSync(join(at, 'new'))),
    /^new: is there, but not in/,
  ],
  'another mode of a file': [
    at => chmodSync(join(at, 'lib/a'), 0o644),
    /^lib\/a: expected mode 444, got 644$/,
  ],
  'a file that became executable': [
    at => chmodSync(join(at, 'lib/a'), 0o555),
    /^lib\/a: expected mode 444, got 555$/,
  ],
  'a setuid bit': [
    at => chmodSync(join(at, 'bin/hi'), 0o4555),
    /^bin\/hi: expected mode 555, got 4555$/,
  ],
  'another mode of a directory': [
    at => chmodSync(join(at, 'lib'), 0o755),
    /^lib: expected mode 555, got 755$/,
  ],
  'another target of a symlink': [
    at =>
      tamper(at, () => {
        unlinkSync(join(at, 'link'))
        symlinkSync('lib', join(at, 'link'))
        lutimesSync(join(at, 'link'), 1, 1)
      }),
    /^link: expected a link to bin, got one to lib$/,
  ],
  'a symlink in place of a directory': [
    at =>
      tamper(at, () => {
        removeTree(nodeHost, join(at, 'lib'))
        symlinkSync('bin', join(at, 'lib'))
      }),
    /^lib: expected a directory, got a symlink$/,
  ],
  'another time': [at => utimesSync(join(at, 'lib/a'), 2, 2), /^lib\/a: expected mtime 1, got 2$/],
}

for (const [name, [damage, message]] of Object.entries(damages)) {
  test(`${name} is a problem`, async t => {
    const { store, path } = await setUp(t)
    chmodSync(join(store.hostPath(path), 'lib/a'), 0o644)
    damage(store.hostPath(path))
    // Only the damage itself is to be found.
    if (!name.includes('mode') && !name.includes('became'))
      restore(store.hostPath(path), name.includes('time') ? 2 : 1)
    const { checked, problems } = await verify(store)
    t.is(checked, 1)
    t.true(
      problems.some(problem => problem.path === path && message.test(problem.message)),
      problems.map(problem => problem.message).join('\n'),
    )
    t.true(problems.length <= 2)
  })
}

test('an object that names itself is compared under its own name', async t => {
  const { store, path } = await selfNaming(t)
  t.deepEqual((await verify(store)).problems, [])
  overwrite(join(store.hostPath(path), 'a'), (1 << 20) - 16, '0'.repeat(32))
  t.like((await verify(store)).problems, [
    { message: 'a: its own digest is not where the record says' },
  ])
})

test('the bytes around its own name are compared too', async t => {
  const { store, path } = await selfNaming(t)
  overwrite(join(store.hostPath(path), 'a'), (1 << 20) + 16, '!')
  t.regex((await verify(store)).problems[0]?.message ?? '', /^a: expected b3:/)
})

test('a file that the disk cannot read is a problem, and the others are read', async t => {
  const { store, path } = await setUp(t)
  let reads = 0
  const files = {
    ...store.host.files,
    readInto: (fd: number, buffer: Uint8Array) => {
      if (reads++ === 0) {
        const at = join(store.hostPath(path), 'bin/hi')
        const fields = { code: 'EIO', syscall: 'read', path: at }
        throw Object.assign(new Error('EIO: i/o error, read'), fields)
      }
      return store.host.files.readInto(fd, buffer)
    },
  }
  const { problems } = await verify({ ...store, host: { ...store.host, files } })
  t.is(problems.length, 1)
  t.regex(problems[0]?.message ?? '', /^bin\/hi: i\/o error, read '.*bin\/hi'$/)
  t.is(problems[0]?.path, path)
  t.true(reads > 2)
})

test('a file whose file system is damaged is a problem, whatever the kernel calls that', async t => {
  const { store, path } = await setUp(t)
  for (const code of ['EBADMSG', 'Unknown system error -117']) {
    const files = {
      ...store.host.files,
      open: (path: string) => {
        throw Object.assign(new Error(`${code}: damaged, open '${path}'`), {
          code,
          path,
          syscall: 'open',
        })
      },
    }
    const { problems } = await verify({ ...store, host: { ...store.host, files } })
    t.is(problems[0]?.path, path, code)
  }
})

test('what is about the machine is no problem of an object, which would be dropped for it', async t => {
  const { store } = await setUp(t)
  const files = {
    ...store.host.files,
    open: (path: string) => {
      const message = `EMFILE: too many open files, open '${path}'`
      throw Object.assign(new Error(message), { code: 'EMFILE', path, syscall: 'open' })
    },
  }
  const verified = verify({ ...store, host: { ...store.host, files } })
  await t.throwsAsync(verified, { code: 'EMFILE' })
})

test('a record without its tree is a problem', async t => {
  const { store, path } = await setUp(t)
  removeTree(nodeHost, store.hostPath(path))
  const { checked, problems } = await verify(store)
  t.is(checked, 1)
  t.regex(problems[0]?.message ?? '', /^it is a record of an object that is gone$/)
})

test('a record that was changed is a problem', async t => {
  const { store, path } = await setUp(t)
  const at = store.layout.record(digestOfPath(path))
  const text = nodeHost.files.read(at)?.toString() ?? ''
  writeFileSync(at, text.replace('"executable":true', '"executable":false'))
  t.regex((await verify(store)).problems[0]?.message ?? '', /the manifest hashes to b3:/)
})

test('an object whose reference is gone is a problem', async t => {
  const { store, path } = await setUp(t)
  const referrer = await addTree(store, 'referrer', { tree: { a: path }, references: [path] })
  rmSync(store.layout.record(digestOfPath(path)))
  t.deepEqual((await verify(store)).problems, [
    {
      at: store.hostPath(referrer),
      path: referrer,
      message: `it refers to ${path}, which is not in the store`,
      missing: path,
    },
  ])
})

test('a root that leads to what is not here is a problem', async t => {
  const { store, path } = await setUp(t)
  const link = join(tempDirectory(t), 'result')
  await addRoot(store, link, path)
  unlinkSync(store.layout.record(digestOfPath(path)))
  const message = `it leads to ${path}, which is not in the store`
  t.deepEqual((await verify(store)).problems, [{ at: link, missing: path, message }])
})

test('only the given objects are read', async t => {
  const { store, path } = await setUp(t)
  const other = await addTree(store, 'other', { tree })
  tamper(store.hostPath(other), at => unlinkSync(join(at, 'link')))
  t.deepEqual(await verify(store, { paths: [path] }), { checked: 1, problems: [] })
})

test('an object that is added meanwhile is no record of an object that is gone', async t => {
  const { store } = await setUp(t)
  const other = tempStore(t)
  const path = await addTree(other, 'other', { tree })
  const verified = verify(slowly(store))
  cpSync(other.hostPath(path), store.hostPath(path), { recursive: true })
  const digest = digestOfPath(path)
  cpSync(other.layout.record(digest), store.layout.record(digest))
  t.deepEqual(await verified, { checked: 1, problems: [] })
  t.true(store.has(path))
})

test('the progress of verifying is told, and it can be cancelled between two pieces of a file', async t => {
  const store = tempStore(t)
  const mebibyte = 1 << 20
  await addTree(store, 'large', { tree: { a: '.'.repeat(5 * mebibyte) } })
  const controller = new AbortController()
  const told: number[] = []
  const open = new Set<number>()
  const slow = slowly(store)
  const { files } = slow.host
  const watched: Files = {
    ...files,
    open: (path, how) => {
      const fd = files.open(path, how)
      open.add(fd)
      return fd
    },
    close: fd => {
      files.close(fd)
      open.delete(fd)
    },
  }
  const verified = verify(
    { ...slow, host: { ...slow.host, files: watched } },
    {
      signal: controller.signal,
      onProgress: ({ objects, total, bytes }) => {
        t.deepEqual([objects, total], [1, 1])
        told.push(bytes)
        // As the handler of a signal does: it has its turn only when others have.
        if (bytes === 2 * mebibyte) setImmediate(() => controller.abort())
      },
    },
  )
  await t.throwsAsync(verified, { code: 'CANCELLED' })
  t.true(told.includes(mebibyte))
  t.true((told.at(-1) ?? 0) < 5 * mebibyte)
  t.deepEqual(open, new Set())
})

/** On a machine where all takes so long that others are to have their turn after each step. */
function slowly(store: Store): Store {
  let time = 0
  return { ...store, host: { ...store.host, uptime: () => (time += 1000) } }
}

async function setUp(t: ExecutionContext) {
  const store = tempStore(t)
  return { store, path: await addTree(store, 'hi', { tree }) }
}

/** Its digest stands across the end of the first mebibyte, and in a symlink. */
async function selfNaming(t: ExecutionContext) {
  const store = tempStore(t)
  const self = '0123456789abcdfghijklmnpqrsvwxyz' as Digest
  const source = writeTree(join(tempDirectory(t), 'source'), {
    a: `${'.'.repeat((1 << 20) - 16)}${self}${'.'.repeat(100)}${self}`,
    b: { symlink: `/mix/store/${self}-self-1/a` },
  })
  const path = await store.add({
    source,
    label: 'self-1',
    self,
    candidates: new Map(),
    maker: 'the test',
  })
  return { store, path }
}

function overwrite(path: string, position: number, text: string): void {
  chmodSync(path, 0o644)
  const fd = openSync(path, 'r+')
  writeSync(fd, text, position)
  closeSync(fd)
  chmodSync(path, 0o444)
  utimesSync(path, 1, 1)
}

/** Gives everything its mtime back, and the file that was made writable its mode. */
function restore(at: string, mtime: number): void {
  for (const name of ['lib/a', 'lib', 'bin', '']) {
    const path = join(at, name)
    if (!nodeHost.files.lstat(path) || nodeHost.files.lstat(path)?.isSymbolicLink()) continue
    if (name === 'lib/a') chmodSync(path, 0o444)
    utimesSync(path, name === 'lib/a' ? mtime : 1, name === 'lib/a' ? mtime : 1)
  }
}
