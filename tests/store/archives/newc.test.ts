import { createHash } from 'node:crypto'
import test from 'ava'
import { byPath, type NewcEntry, newc, parseDevices } from '../../../store/archives/newc.ts'

const tree: readonly NewcEntry[] = [
  { type: 'directory', path: 'bin', mode: 0o755 },
  { type: 'file', path: 'bin/busybox', mode: 0o555, content: Buffer.from('\x7fELF and so on') },
  { type: 'symlink', path: 'bin/sh', mode: 0o777, target: 'busybox' },
  { type: 'directory', path: 'dev', mode: 0o755 },
  { type: 'device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
  { type: 'file', path: 'empty', mode: 0o444, content: Buffer.alloc(0) },
]

test('the bytes of an archive never change', t => {
  const bytes = archive(tree)
  t.is(bytes.length, 864)
  t.is(
    createHash('sha256').update(bytes).digest('hex'),
    'c42a45374af86637e352d140d7fc014543662a9a347b00b14d82382e00b2e386',
  )
})

test('an archive holds every entry with its kind, mode, device and content', t => {
  const parsed = parse(archive(tree))
  t.deepEqual(
    parsed.map(({ name, mode, device, content }) => [name, mode.toString(8), device, content]),
    [
      ['bin', '40755', '0:0', ''],
      ['bin/busybox', '100555', '0:0', '\x7fELF and so on'],
      ['bin/sh', '120777', '0:0', 'busybox'],
      ['dev', '40755', '0:0', ''],
      ['dev/console', '20600', '5:1', ''],
      ['empty', '100444', '0:0', ''],
    ],
  )
})

test('an archive says nothing about who made it: owners, inodes, links and times are fixed', t => {
  for (const [index, entry] of parse(archive(tree)).entries()) {
    t.is(entry.inode, index + 1)
    t.is(entry.owner, '0:0')
    t.is(entry.mtime, 315532800)
    t.is(entry.links, entry.name === 'bin' || entry.name === 'dev' ? 2 : 1)
  }
})

test('an entry out of order, twice or without its directory is refused', t => {
  const [bin, busybox, sh] = tree as [NewcEntry, NewcEntry, NewcEntry]
  t.throws(() => archive([bin, sh, busybox]), { message: /out of order or twice/ })
  t.throws(() => archive([bin, busybox, busybox]), { message: /out of order or twice/ })
  t.throws(() => archive([busybox]), { message: /without its directory/ })
})

test('a path that leaves the archive is refused', t => {
  for (const path of ['', '/etc', '../etc', './etc', 'etc/', 'a\0b']) {
    t.throws(() => archive([{ type: 'directory', path, mode: 0o755 }]), {
      message: /not a relative path/,
    })
  }
})

test('entries sort by the bytes of their paths', t => {
  const paths = ['a/b', 'é', 'a-b', 'a', 'B']
  const entries = paths.map(path => ({ type: 'directory', path, mode: 0o755 }) as const)
  t.deepEqual(
    [...entries].sort(byPath).map(entry => entry.path),
    ['B', 'a', 'a-b', 'a/b', 'é'],
  )
})

test('devices are read from their lines, and anything else is refused', t => {
  t.deepEqual(parseDevices('dev/console c 5 1 600\n'), [
    { type: 'device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
  ])
  t.throws(() => parseDevices('dev/sda b 8 0 600'), {
    message: /not a device: "dev\/sda b 8 0 600"/,
  })
})

function archive(entries: readonly NewcEntry[]): Buffer {
  return Buffer.concat([...newc(entries, { mtime: 315532800 })])
}

interface Parsed {
  readonly name: string
  readonly inode: number
  readonly mode: number
  readonly owner: string
  readonly links: number
  readonly mtime: number
  readonly device: string
  readonly content: string
}

function parse(bytes: Buffer): Parsed[] {
  const entries: Parsed[] = []
  const aligned = (offset: number): number => (offset + 3) & ~3
  for (let at = 0; ; ) {
    const text = bytes.toString('latin1', at, at + 110)
    if (!text.startsWith('070701')) throw new Error(`no header at ${at}: ${text}`)
    const field = (index: number): number =>
      Number.parseInt(text.slice(6 + index * 8, 14 + index * 8), 16)
    const nameEnd = at + 110 + field(11)
    const name = bytes.toString('utf8', at + 110, nameEnd - 1)
    if (name === 'TRAILER!!!') return entries
    const start = aligned(nameEnd)
    entries.push({
      name,
      inode: field(0),
      mode: field(1),
      owner: `${field(2)}:${field(3)}`,
      links: field(4),
      mtime: field(5),
      device: `${field(9)}:${field(10)}`,
      content: bytes.toString('latin1', start, start + field(6)),
    })
    at = aligned(start + field(6))
  }
}
