import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { blake3Hex } from '../../graph/blake3.ts'
import {
  type Digest,
  digestOfPath,
  parseStorePath,
  type StorePath,
} from '../../graph/store-path.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { type Ingested, type IngestOptions, ingest } from '../../store/ingest.ts'
import { type Tree, tempDirectory, writeTree } from '../helpers/temp-store.ts'

const MiB = 1 << 20
const FIRST = '0123456789abcdfghijklmnpqrsvwxyz' as Digest
const SECOND = 'zyxwvsrqpnmlkjihgfdcba9876543210' as Digest
const OTHER = parseStorePath('00000000000000000000000000000000-other-1') as StorePath

test('a copy has canonical modes and times, whatever the source had', t => {
  const { source, copy } = setUp(t, {
    plain: 'text',
    'bin/run': { executable: '#!' },
    link: { symlink: 'plain' },
  })
  chmodSync(join(source, 'plain'), 0o664)
  chmodSync(join(source, 'bin/run'), 0o711)
  chmodSync(join(source, 'bin'), 0o1777)
  utimesSync(join(source, 'plain'), 5, 5)
  const { target } = copy()
  t.deepEqual(described(target), ['40555', 1000])
  t.deepEqual(described(join(target, 'plain')), ['100444', 1000])
  t.deepEqual(described(join(target, 'bin')), ['40555', 1000])
  t.deepEqual(described(join(target, 'bin/run')), ['100555', 1000])
  t.deepEqual(described(join(target, 'link')), ['120777', 1000])
})

test('what is its own target becomes the same object without a copy', t => {
  const { source, copy } = setUp(t, {
    plain: `text ${digestOfPath(OTHER)}`,
    'bin/run': { executable: '#!' },
    link: { symlink: `/mix/store/${OTHER}` },
  })
  const candidates = new Map([[digestOfPath(OTHER), OTHER]])
  const { manifest, hash } = copy({ candidates })
  const inode = lstatSync(join(source, 'plain')).ino
  const own = copy({ target: source, candidates })
  t.deepEqual(own.manifest, manifest)
  t.is(own.hash, hash)
  t.is(lstatSync(join(source, 'plain')).ino, inode)
  t.deepEqual(described(source), ['40555', 1000])
  t.deepEqual(described(join(source, 'bin/run')), ['100555', 1000])
  t.deepEqual(described(join(source, 'link')), ['120777', 1000])
})

test('what is its own target cannot name what has to be rewritten', t => {
  const { source, copy } = setUp(t, { file: `text ${FIRST}` })
  const candidates = new Map([[FIRST, OTHER]])
  for (const options of [{ self: FIRST }, { candidates }])
    t.throws(() => copy({ ...options, target: source }), { message: /cannot be rewritten/ })
  t.is(readFileSync(join(source, 'file'), 'utf8'), `text ${FIRST}`)
})

test('the source is left as it was', t => {
  const { source, copy } = setUp(t, { file: `text ${FIRST}` })
  const before = described(join(source, 'file'))
  copy({ self: FIRST })
  t.is(readFileSync(join(source, 'file'), 'utf8'), `text ${FIRST}`)
  t.deepEqual(described(join(source, 'file')), before)
})

test('hard links become files of their own', t => {
  const { source, copy } = setUp(t, { one: 'text' })
  linkSync(join(source, 'one'), join(source, 'two'))
  const { target } = copy()
  t.is(lstatSync(join(target, 'one')).nlink, 1)
  t.not(lstatSync(join(target, 'one')).ino, lstatSync(join(target, 'two')).ino)
})

test('symlinks are kept as they are, also those that lead nowhere or out of the tree', t => {
  const { copy } = setUp(t, { a: { symlink: '../../etc' }, b: { symlink: 'nowhere' } })
  const { target } = copy()
  t.is(readlinkSync(join(target, 'a')), '../../etc')
  t.is(readlinkSync(join(target, 'b')), 'nowhere')
})

test('one file, or one symlink, is an object too', t => {
  const { source, copy } = setUp(t, { file: 'text', link: { symlink: 'file' } })
  t.like(copy({ source: join(source, 'file') }).manifest.entries, [
    { path: '', type: 'file', size: 4 },
  ])
  t.like(copy({ source: join(source, 'link') }).manifest.entries, [{ path: '', type: 'symlink' }])
})

test('entries are sorted by the bytes of their paths', t => {
  const { copy } = setUp(t, {
    'a/b': '',
    'a-b': '',
    'a.b': '',
    B: '',
    '\u{1f600}': '',
    '\uff5e': '',
  })
  t.deepEqual(
    copy().manifest.entries.map(entry => entry.path),
    ['', 'B', 'a', 'a-b', 'a.b', 'a/b', '\uff5e', '\u{1f600}'],
  )
})

test('the same tree gives the same object, in whatever order it was written', t => {
  const one = setUp(t, { a: '1', b: '2' }).copy()
  const two = setUp(t, { b: '2', a: '1' }).copy()
  t.is(one.path, two.path)
})

test('the executable bit, the label, a byte and an empty directory each make another object', t => {
  const first = setUp(t, { a: '1' })
  const paths = [
    first.copy(),
    first.copy({ label: 'test-2' }),
    setUp(t, { a: { executable: '1' } }).copy(),
    setUp(t, { a: '2' }).copy(),
  ].map(({ hash }) => hash)
  mkdirSync(join(first.source, 'empty'))
  t.is(new Set([...paths, first.copy().hash]).size, 5)
})

test('a setuid or setgid file or directory is refused', t => {
  for (const [name, mode] of [
    ['file', 0o4755],
    ['file', 0o2755],
    ['directory', 0o2755],
  ] as const) {
    const { source, copy } = setUp(t, { file: '', 'directory/file': '' })
    chmodSync(join(source, name), mode)
    t.throws(copy, { code: 'BUILD_OUTPUT_INVALID', message: /^maker: .* has mode [24]755/ })
  }
})

test('a fifo is refused', t => {
  const { source, copy } = setUp(t, {})
  execFileSync('mkfifo', [join(source, 'pipe')])
  t.throws(copy, { code: 'BUILD_OUTPUT_INVALID', message: /pipe is a fifo/ })
})

test('a socket is refused', async t => {
  const { source, copy } = setUp(t, {})
  const server = createServer()
  await new Promise<void>(done => server.listen(join(source, 'socket'), done))
  t.throws(copy, { code: 'BUILD_OUTPUT_INVALID', message: /socket is a socket/ })
  server.close()
})

test('a name with a control character, or that is not UTF-8, is refused', t => {
  for (const name of [Buffer.from('a\nb'), Buffer.from([0x61, 0xff])]) {
    const { source, copy } = setUp(t, {})
    writeFileSync(Buffer.concat([Buffer.from(`${source}/`), name]), '')
    t.throws(copy, { code: 'BUILD_OUTPUT_INVALID', message: /which is not plain text/ })
  }
})

test('a symlink to what is not UTF-8 is refused, as it could not be kept as it is', t => {
  const { source, copy } = setUp(t, {})
  symlinkSync(Buffer.from([0x61, 0xff]), join(source, 'link'))
  t.throws(copy, { code: 'BUILD_OUTPUT_INVALID', message: /link links to/ })
})

test('what its owner may not read is refused, also where root could', t => {
  const { source, copy } = setUp(t, { secret: 'text' })
  chmodSync(join(source, 'secret'), 0o011)
  t.throws(copy, { code: 'BUILD_OUTPUT_INVALID', message: /secret has mode 11/ })
})

test('a directory that its owner may not read or enter is refused, also where root could', t => {
  for (const mode of [0o455, 0o355]) {
    const { source, copy } = setUp(t, { 'closed/file': 'text' })
    chmodSync(join(source, 'closed'), mode & 0o677)
    t.throws(copy, { code: 'BUILD_OUTPUT_INVALID', message: /closed has mode/ })
    chmodSync(join(source, 'closed'), 0o755)
  }
})

test('a reference is found in a file and in a symlink, and listed once', t => {
  const { copy } = setUp(t, {
    a: `/mix/store/${OTHER}/lib`,
    b: `x${OTHER}`,
    c: { symlink: `/mix/store/${OTHER}` },
  })
  const { manifest } = copy({ candidates: new Map([[digestOfPath(OTHER), OTHER]]) })
  t.deepEqual(manifest.references, [OTHER])
})

test('the digest of an object that is no candidate is not a reference', t => {
  t.deepEqual(setUp(t, { a: `/mix/store/${OTHER}` }).copy().manifest.references, [])
})

test('a digest that stands for another path is rewritten to it, in files and in symlinks', t => {
  const built = `/mix/store/${FIRST}-other-1`
  const { copy } = setUp(t, { file: `a ${built}/lib b`, link: { symlink: `${built}/lib` } })
  const { target, manifest } = copy({ candidates: new Map([[FIRST, OTHER]]) })
  t.is(readFileSync(join(target, 'file'), 'utf8'), `a /mix/store/${OTHER}/lib b`)
  t.is(readlinkSync(join(target, 'link')), `/mix/store/${OTHER}/lib`)
  t.deepEqual(manifest.references, [OTHER])
})

test('an object built under two paths that it names is one object, and names its final path', t => {
  const tree = (digest: Digest): Tree => ({
    'bin/run': { executable: `#!/mix/store/${digest}-test-1/bin/sh ${digest}` },
    'lib/link': { symlink: `/mix/store/${digest}-test-1/lib/file` },
  })
  const one = setUp(t, tree(FIRST)).copy({ self: FIRST })
  const two = setUp(t, tree(SECOND)).copy({ self: SECOND })
  t.is(one.hash, two.hash)
  const digest = digestOfPath(one.path)
  for (const { target } of [one, two]) {
    t.is(readFileSync(join(target, 'bin/run'), 'utf8'), `#!/mix/store/${one.path}/bin/sh ${digest}`)
    t.is(readlinkSync(join(target, 'lib/link')), `/mix/store/${one.path}/lib/file`)
    t.deepEqual(described(join(target, 'bin/run')), ['100555', 1000])
    t.deepEqual(described(join(target, 'lib/link')), ['120777', 1000])
    t.deepEqual(described(target), ['40555', 1000])
  }
  t.deepEqual(one.manifest.references, [])
})

test('an object that names itself differs from one that names nothing there', t => {
  const zeros = setUp(t, { a: 'e'.repeat(32) }).copy()
  const self = setUp(t, { a: FIRST }).copy({ self: FIRST })
  t.not(zeros.hash, self.hash)
})

test('digests are found, and rewritten, wherever a chunk of a large file ends', t => {
  // Chunks begin every 4 MiB less the overlap: offsets around both ends of the first two.
  const ends = [4 * MiB, 8 * MiB - 31]
  const offsets = ends.flatMap(end => [end - 64, end - 31, end + 33])
  const shifted = ends.flatMap(end => [end - 48, end - 1])
  for (const at of [offsets, shifted]) {
    const content = Buffer.alloc(9 * MiB, '.')
    const expected = Buffer.from(content)
    for (const offset of at) {
      content.write(FIRST, offset)
      expected.write(digestOfPath(OTHER), offset)
    }
    const { source, copy } = setUp(t, {})
    writeFileSync(join(source, 'large'), content)
    const { target, manifest } = copy({ candidates: new Map([[FIRST, OTHER]]) })
    t.true(readFileSync(join(target, 'large')).equals(expected))
    t.deepEqual(manifest.references, [OTHER])
    const own = copy({ self: FIRST }).manifest.entries[1]
    t.like(own, { size: content.length, self: at })
  }
})

test('a large file hashes like the same bytes read in one piece', t => {
  const { source, copy } = setUp(t, {})
  const content = Buffer.alloc(9 * MiB + 7, 'abcdefg')
  writeFileSync(join(source, 'large'), content)
  const { manifest, target } = copy()
  t.like(manifest.entries[1], {
    size: content.length,
    hash: blake3Hex(content),
  })
  t.true(readFileSync(join(target, 'large')).equals(content))
})

test('a large file of little but zeros takes little space, and is the same bytes', t => {
  const { source, copy } = setUp(t, {})
  const content = Buffer.alloc(33 * MiB)
  content.write('somewhere', 13 * MiB)
  writeFileSync(join(source, 'sparse'), content)
  writeFileSync(join(source, 'zeros'), Buffer.alloc(9 * MiB))
  const { manifest, target } = copy()
  t.like(manifest.entries[1], { size: content.length, hash: blake3Hex(content) })
  t.true(readFileSync(join(target, 'sparse')).equals(content))
  t.true(readFileSync(join(target, 'zeros')).equals(Buffer.alloc(9 * MiB)))
  t.true(lstatSync(join(target, 'sparse')).blocks * 512 < 9 * MiB)
})

test('a file full of the own digest is no more than a large file', t => {
  const { source, copy } = setUp(t, {})
  writeFileSync(join(source, 'full'), FIRST.repeat(150_000))
  const [, entry] = copy({ self: FIRST }).manifest.entries
  t.is(entry?.type === 'file' && entry.self?.length, 150_000)
})

function setUp(t: ExecutionContext, tree: Tree) {
  const directory = tempDirectory(t)
  const source = writeTree(join(directory, 'source'), tree)
  let copies = 0
  const copy = (options: Partial<IngestOptions> = {}): Ingested & { target: string } => {
    const target = join(directory, `copy-${copies++}`)
    const defaults = { source, target, label: 'test-1', candidates: new Map(), maker: 'maker' }
    return { ...ingest(nodeHost, { ...defaults, ...options }), target }
  }
  return { source, copy }
}

function described(path: string): [mode: string, mtime: number] {
  const { mode, mtimeMs } = lstatSync(path)
  return [mode.toString(8), mtimeMs]
}
