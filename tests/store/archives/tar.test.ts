import { existsSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { unpackTar } from '../../../store/archives/tar.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { type TarEntry, tarOf } from '../../helpers/deb.ts'
import { tempDirectory, writeTree } from '../../helpers/temp-store.ts'

test('directories, files and symlinks come out, with the executable bit', async t => {
  const { into, unpack } = setUp(t)
  await unpack([
    { name: './', type: 'directory' },
    { name: './usr/bin/', type: 'directory', mode: 0o700 },
    { name: './usr/bin/tool', mode: 0o755, content: 'run' },
    { name: './usr/share/doc/text', mode: 0o600, content: 'read' },
    { name: './sbin', type: 'symlink', linkname: 'usr/sbin' },
    { name: './away', type: 'symlink', linkname: '/etc/passwd' },
  ])
  t.is(lstatSync(join(into, 'usr/bin/tool')).mode & 0o7777, 0o755)
  t.is(lstatSync(join(into, 'usr/share/doc/text')).mode & 0o7777, 0o644)
  t.is(readFileSync(join(into, 'usr/share/doc/text'), 'utf8'), 'read')
  t.is(readlinkSync(join(into, 'sbin')), 'usr/sbin')
  t.is(readlinkSync(join(into, 'away')), '/etc/passwd')
})

test('setuid, setgid and sticky bits, owners and times do not come out', async t => {
  const { into, unpack } = setUp(t)
  const foreign = { uid: 12345, gid: 12345, mtime: new Date(0) }
  await unpack([
    { name: 'directory/', type: 'directory', mode: 0o3777, ...foreign },
    { name: 'directory/su', mode: 0o6755, content: 'x', ...foreign },
  ])
  for (const name of ['directory', 'directory/su']) {
    const { mode, uid, mtimeMs } = lstatSync(join(into, name))
    t.is(mode & 0o7022, 0)
    t.is(uid, process.geteuid?.() ?? -1)
    t.true(mtimeMs > 0)
  }
})

test('a hard link comes out as a copy', async t => {
  const { into, unpack } = setUp(t)
  await unpack([
    { name: './perl', mode: 0o755, content: 'program' },
    { name: './perl5', type: 'link', linkname: './perl' },
    { name: './perl6', type: 'link', linkname: './perl5' },
  ])
  for (const name of ['perl5', 'perl6']) {
    t.is(readFileSync(join(into, name), 'utf8'), 'program')
    t.is(lstatSync(join(into, name)).mode & 0o100, 0o100)
    t.is(lstatSync(join(into, name)).nlink, 1)
  }
})

test('a later entry replaces a file, and is not written through its links', async t => {
  const { into, outside, unpack } = setUp(t)
  await unpack([
    { name: 'file', content: 'old' },
    { name: 'file', content: 'new' },
    { name: 'link', type: 'symlink', linkname: outside },
    { name: 'link', content: 'new' },
  ])
  t.is(readFileSync(join(into, 'file'), 'utf8'), 'new')
  t.is(readFileSync(join(into, 'link'), 'utf8'), 'new')
})

const hostile: [string, (outside: string) => TarEntry[], RegExp][] = [
  ['an absolute name', outside => [{ name: outside, content: 'x' }], /absolute/],
  ['a name with ".."', () => [{ name: 'a/../../victim', content: 'x' }], /holds "\.\."/],
  ['a directory named ".."', () => [{ name: '../', type: 'directory' }], /holds "\.\."/],
  ['a name with a newline', () => [{ name: 'a\nb', content: 'x' }], /control character/],
  ['a very long name', () => [{ name: 'a'.repeat(256), content: 'x' }], /too long/],
  ['a very deep name', () => [{ name: `${'a/'.repeat(100)}b`, content: 'x' }], /too deep/],
  ['a character device', () => [{ name: 'null', type: 'character-device' }], /character-device/],
  ['a block device', () => [{ name: 'sda', type: 'block-device' }], /block-device/],
  ['a fifo', () => [{ name: 'fifo', type: 'fifo' }], /fifo/],
  [
    'a file through a symlink',
    outside => [
      { name: 'link', type: 'symlink', linkname: join(outside, '..') },
      { name: 'link/victim', content: 'x' },
    ],
    /not a valid path/,
  ],
  [
    'a directory through a symlink',
    outside => [
      { name: 'link', type: 'symlink', linkname: join(outside, '..') },
      { name: 'link/victim/', type: 'directory' },
    ],
    /not a valid path/,
  ],
  [
    'a directory in place of a symlink',
    outside => [
      { name: 'link', type: 'symlink', linkname: join(outside, '..') },
      { name: 'link/', type: 'directory', mode: 0o777 },
    ],
    /not a directory/,
  ],
  [
    'a symlink through a symlink, one step further',
    outside => [
      { name: 'a', type: 'symlink', linkname: '.' },
      { name: 'a/b', type: 'symlink', linkname: outside },
    ],
    /not a valid path/,
  ],
  ['a hard link out', outside => [{ name: 'a', type: 'link', linkname: outside }], /no file of/],
  ['a hard link up', () => [{ name: 'a', type: 'link', linkname: '../victim' }], /no file of/],
  ['a hard link to itself', () => [{ name: 'a', type: 'link', linkname: 'a' }], /no file of/],
  [
    'a hard link to a symlink',
    outside => [
      { name: 'a', type: 'symlink', linkname: outside },
      { name: 'b', type: 'link', linkname: 'a' },
    ],
    /no file of/,
  ],
  [
    'a hard link through a symlink',
    outside => [
      { name: 'real/victim', content: 'x' },
      { name: 'a', type: 'symlink', linkname: join(outside, '..') },
      { name: 'b', type: 'link', linkname: 'a/victim' },
    ],
    /no file of/,
  ],
  [
    'a hard link to what was a file before',
    outside => [
      { name: 'a', content: 'x' },
      { name: 'a', type: 'symlink', linkname: outside },
      { name: 'b', type: 'link', linkname: 'a' },
    ],
    /no file of/,
  ],
  [
    'a file in place of a directory',
    () => [
      { name: 'a/b', content: 'x' },
      { name: 'a', content: 'x' },
    ],
    /EISDIR|EPERM|ENOTDIR|directory/,
  ],
  [
    'a file below a file',
    () => [
      { name: 'a', content: 'x' },
      { name: 'a/b', content: 'x' },
    ],
    /not a valid path/,
  ],
]

for (const [what, entries, message] of hostile) {
  test(`refused, with nothing outside touched: ${what}`, async t => {
    const { outside, unpack } = setUp(t)
    await t.throwsAsync(unpack(entries(outside)), { code: 'OBJECT_INVALID', message })
    t.is(readFileSync(outside, 'utf8'), 'untouched')
    t.deepEqual(nodeHost.files.list(join(outside, '..')), ['into', 'victim'])
    t.is(lstatSync(join(outside, '..')).mode & 0o777, 0o700)
  })
}

for (const type of ['symlink', 'link', 'directory'] as const) {
  for (const bytes of [100, 100_000]) {
    test(`refused, not waited for: a ${type} with ${bytes} bytes of content`, async t => {
      const { into } = setUp(t)
      const tar = Buffer.concat([
        firstOf(await tarOf([{ name: 'file', content: '' }])),
        withContent(firstOf(await tarOf([{ name: 'a', type, linkname: 'file' }])), bytes),
        await tarOf([{ name: 'b', content: 'x' }]),
      ])
      await t.throwsAsync(unpackTar(nodeHost, tar, { into, label: 'it', limit: 1e6 }), {
        code: 'OBJECT_INVALID',
        message: `it: entry "a": it is a ${type} with ${bytes} bytes of content`,
      })
      t.deepEqual(nodeHost.files.list(into), ['.keep', 'file'])
    })
  }
}

test('nothing is unpacked after what was refused', async t => {
  const { into, unpack } = setUp(t)
  const entries = [{ name: '../up', content: 'x' }, ...names(50)]
  await t.throwsAsync(unpack(entries), { code: 'OBJECT_INVALID' })
  t.false(existsSync(join(into, 'file49')))
})

test('a hard link counts as much as the file that it becomes a copy of', async t => {
  const { unpack } = setUp(t)
  const entries = [
    { name: 'a', content: 'x'.repeat(600) },
    { name: 'b', type: 'link' as const, linkname: 'a' },
  ]
  await t.throwsAsync(unpack(entries, 1000), { message: /entry "b": .* exceed 1000 bytes/ })
})

test('all files together may have the limit, and not a byte more', async t => {
  const { unpack } = setUp(t)
  const entries = [
    { name: 'a', content: 'x'.repeat(600) },
    { name: 'b', content: 'x'.repeat(400) },
  ]
  await t.notThrowsAsync(unpack(entries, 1000))
  await t.throwsAsync(unpack(entries, 999), { code: 'OBJECT_INVALID', message: /exceed 999 bytes/ })
})

test('a truncated archive and noise are refused', async t => {
  const { into } = setUp(t)
  const whole = await tarOf([{ name: 'a', content: 'x'.repeat(5000) }])
  for (const tar of [whole.subarray(0, 3000), Buffer.alloc(2048, 'noise')]) {
    const unpacking = unpackTar(nodeHost, tar, { into, label: 'it', limit: 1e6 })
    await t.throwsAsync(unpacking, { code: 'OBJECT_INVALID', message: /^it: / })
  }
})

test('many thousands of entries without content do not exhaust the stack', async t => {
  const { unpack } = setUp(t)
  const entries = Array.from({ length: 5000 }, () => ({ name: './', type: 'directory' as const }))
  await t.notThrowsAsync(unpack(entries))
})

test('an error of the disk is passed on as it is', async t => {
  const { into } = setUp(t)
  const writeFrom = (): never => {
    throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' })
  }
  const host = { ...nodeHost, files: { ...nodeHost.files, writeFrom } }
  const tar = await tarOf([{ name: 'a', content: 'x' }])
  const unpacking = unpackTar(host, tar, { into, label: 'it', limit: 1e6 })
  await t.throwsAsync(unpacking, { code: 'ENOSPC' })
})

/** The header of an archive's first entry. */
const firstOf = (tar: Buffer): Buffer => Buffer.from(tar.subarray(0, 512))

/** The header with that size, and as many bytes behind it. */
function withContent(header: Buffer, bytes: number): Buffer {
  header.write(`${bytes.toString(8).padStart(11, '0')} `, 124, 'latin1')
  header.write(' '.repeat(8), 148, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return Buffer.concat([header, Buffer.alloc(Math.ceil(bytes / 512) * 512, 'x')])
}

const names = (count: number): TarEntry[] =>
  Array.from({ length: count }, (_, i) => ({ name: `file${i}`, content: 'x' }))

function setUp(t: ExecutionContext) {
  const base = tempDirectory(t)
  const into = join(writeTree(base, { 'into/.keep': '' }), 'into')
  const outside = join(base, 'victim')
  writeFileSync(outside, 'untouched')
  const unpack = async (entries: readonly TarEntry[], limit = 1e9): Promise<void> =>
    unpackTar(nodeHost, await tarOf(entries), { into, label: 'it', limit })
  return { into, outside, unpack }
}
