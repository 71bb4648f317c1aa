import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { xz } from '@napi-rs/lzma'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { decompress } from '../../../store/archives/decompress.ts'
import { dataOfDeb, unpackDeb } from '../../../store/archives/unpack-deb.ts'
import { sizeOfXz } from '../../../store/archives/xz-size.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { arOf, debOf } from '../../helpers/deb.ts'
import { noise } from '../../helpers/http-server.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

for (const suffix of ['', '.gz', '.xz', '.zst'] as const) {
  test(`a package with data.tar${suffix} is unpacked`, async t => {
    const { into, unpack } = setUp(t)
    await unpack(await debOf([{ name: './usr/bin/tool', content: 'run' }], suffix))
    t.is(readFileSync(join(into, 'usr/bin/tool'), 'utf8'), 'run')
  })
}

test('packages are unpacked in order, onto each other', async t => {
  const { into, unpack } = setUp(t)
  const [first, second] = await Promise.all(
    ['first', 'second'].map(content =>
      debOf([
        { name: `./${content}`, content },
        { name: './both', content },
      ]),
    ),
  )
  await unpack(first as Buffer, second as Buffer)
  t.is(readFileSync(join(into, 'both'), 'utf8'), 'second')
  t.is(readFileSync(join(into, 'first'), 'utf8'), 'first')
})

const damaged: [string, () => Buffer | Promise<Buffer>, RegExp][] = [
  ['noise', () => noise(1000), /not an ar archive/],
  ['no data', () => arOf({ 'debian-binary': Buffer.from('2.0\n') }), /no data\.tar/],
  ['unknown compression', () => arOf({ 'data.tar.lz9': noise(9) }), /no data\.tar/],
  ['two members of a name', () => twice('data.tar'), /"data.tar" twice/],
  ['truncation', async () => (await debOf([])).subarray(0, -20), /ends too early/],
  ['a broken header', () => Buffer.concat([arOf({}), Buffer.alloc(60, ' ')]), /damaged/],
  ['noise for xz data', () => arOf({ 'data.tar.xz': noise(100) }), /not valid xz/],
  ['noise for gz data', () => arOf({ 'data.tar.gz': noise(100) }), /not valid gz/],
  ['noise for zst data', () => arOf({ 'data.tar.zst': noise(100) }), /not valid zst/],
]

for (const [what, make, message] of damaged) {
  test(`a package that is damaged is OBJECT_INVALID and named: ${what}`, async t => {
    const { unpack } = setUp(t)
    const error = await t.throwsAsync(async () => unpack(await make()), {
      code: 'OBJECT_INVALID',
      message,
    })
    t.regex(error?.message ?? '', /0\.deb/)
  })
}

for (const suffix of ['.gz', '.xz', '.zst'] as const) {
  test(`a package that unpacks to more than the limit is refused: ${suffix}`, async t => {
    const content = 'x'.repeat(1_000_000)
    const deb = await debOf([{ name: './bomb', content }], suffix)
    await t.throwsAsync(dataOfDeb(deb, 'it', 1_000_000), {
      code: 'OBJECT_INVALID',
      message: /more than 1000000 bytes/,
    })
  })
}

test('the size of xz data is known without unpacking it', t => {
  for (const size of [0, 1, 1000, 65_536, 200_001]) {
    t.is(sizeOfXz(xz.compressSync(noise(size))), size)
    t.is(sizeOfXz(xz.compressSync(Buffer.alloc(size))), size)
  }
})

test('xz data that is cut off anywhere, or has more behind it, has no size', t => {
  const whole = xz.compressSync(noise(500))
  for (let length = 0; length < whole.length; length++)
    t.throws(() => sizeOfXz(whole.subarray(0, length)))
  t.throws(() => sizeOfXz(Buffer.concat([whole, whole])))
})

test('xz data of several blocks and of the real xz has a size', t => {
  // Of `yes | head -c 300000 | xz --block-size=100000`.
  const real = Buffer.from(REAL_XZ, 'base64')
  t.is(sizeOfXz(real), 300_000)
})

test('a package with any bytes changed is unpacked or OBJECT_INVALID, and touches nothing else', async t => {
  const entries = [
    { name: './usr/bin/', type: 'directory' },
    { name: './usr/bin/tool', content: 'run'.repeat(300) },
    { name: './usr/bin/same', type: 'link', linkname: './usr/bin/tool' },
    { name: './bin', type: 'symlink', linkname: 'usr/bin' },
  ] as const
  const suffixes = ['', '.gz', '.xz', '.zst'] as const
  const debs = await Promise.all(suffixes.map(suffix => debOf(entries, suffix)))
  const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))
  const changes = fc.array(change, { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...debs), changes, fc.nat(), async (deb, changes, end) => {
      const bytes = Buffer.from(end % 4 === 0 ? deb.subarray(0, end % deb.length) : deb)
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      const { into, unpack } = setUp(t)
      const error = await unpack(bytes).catch((error: unknown) => error)
      if (error !== undefined)
        t.is((error as { code?: string }).code, 'OBJECT_INVALID', String(error))
      t.deepEqual(nodeHost.files.list(join(into, '..')), ['into'])
    }),
    { numRuns: 300 },
  )
})

test('decompressing gives the bytes back', async t => {
  const bytes = noise(100_000)
  const limit = bytes.length
  const it = (data: Buffer, compression: 'gz' | 'xz') =>
    decompress(data, { compression, limit, label: 'it' })
  t.true((await it(gzipSync(bytes), 'gz')).equals(bytes))
  t.true((await it(xz.compressSync(bytes), 'xz')).equals(bytes))
})

const REAL_XZ =
  '/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4YafAFZdADyCq/wd//f/1IEKn3RzhPowEaZpp4+RC+RFpEO932qwFnAeVi0L6rgnHZslAj+o/1pyqZWiwsWqNBkGdox2aWWhLsiGGGVgsv9Nj/IFi2j0i/47/gAAAAAAMQLgtmnl3DoCACEBFgAAAHQv5aPhhp8AVl0APIKr/B3/9//UgQqfdHOE+jARpmmnj5EL5EWkQ73farAWcB5WLQvquCcdmyUCP6j/WnKplaLCxao0GQZ2jHZpZaEuyIYYZWCy/02P8gWLaPSL/jv+AAAAAAAxAuC2aeXcOgIAIQEWAAAAdC/lo+GGnwBWXQA8gqv8Hf/3/9SBCp90c4T6MBGmaaePkQvkRaRDvd9qsBZwHlYtC+q4Jx2bJQI/qP9acqmVosLFqjQZBnaMdmlloS7IhhhlYLL/TY/yBYto9Iv+O/4AAAAAADEC4LZp5dw6AANyoI0GcqCNBnKgjQYAABvPi2OsJz4tBAAAAAAEWVo='

function twice(name: string): Buffer {
  const one = arOf({ [name]: Buffer.from('xx') })
  return Buffer.concat([one, one.subarray(8)])
}

function setUp(t: ExecutionContext) {
  const from = tempDirectory(t)
  const into = join(tempDirectory(t), 'into')
  mkdirSync(into)
  const unpack = (...debs: readonly Buffer[]): Promise<void> => {
    const paths = debs.map((deb, i) => {
      const path = join(from, `${i}.deb`)
      writeFileSync(path, deb)
      return path
    })
    return unpackDeb(nodeHost, paths, into)
  }
  return { into, unpack }
}
