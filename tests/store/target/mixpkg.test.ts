import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { mixpkg } from '../../../derivations/build-support/mixpkg.ts'
import type { MixosError } from '../../../graph/error.ts'
import { formatMixpkgMetadata, isLinkAllowed, parseMixpkgMetadata } from '../../../graph/mixpkg.ts'
import { formatPackageInfo } from '../../../graph/package-info.ts'
import type { StorePath } from '../../../graph/store-path.ts'
import { type TarEntry, tarOf } from '../../../store/archives/tar-write.ts'
import { writeMixpkg } from '../../../store/builtins/mixpkg.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { realize } from '../../../store/realize.ts'
import { openStore, type Store } from '../../../store/store.ts'
import { type Mixpkg, openMixpkg } from '../../../store/target/mixpkg.ts'
import { infoOf } from '../../helpers/package.ts'
import {
  addTree,
  filesStep,
  memoryDirectory,
  quietly,
  type Tree,
} from '../../helpers/temp-store.ts'

const { signal } = new AbortController()
const newStore = (t: ExecutionContext): Store =>
  openStore({ directory: join(memoryDirectory(t), 'mixos'), host: nodeHost })

const TREE: Tree = {
  'bin/hi': { executable: '#!/bin/sh\necho hi\n' },
  'bin/hello': { symlink: 'hi' },
  'etc/hi.conf': 'greeting = hi\n',
  'libexec/mix/hi/pre-install.sh': { executable: 'true\n' },
  [`share/${'long/'.repeat(30)}name-é`]: 'far down',
  'share/mix/packages/hi.json': formatPackageInfo(infoOf('hi', { config: ['hi.conf'] })),
}

interface Packed {
  /** Where the package was made. */
  readonly store: Store
  readonly object: StorePath
  readonly file: string
}

async function packed(t: ExecutionContext, tree: Tree = TREE): Promise<Packed> {
  const store = newStore(t)
  const step = filesStep('hi', tree)
  const realized = await realize(store, [step, mixpkg(step)], quietly())
  const [object, file] = [step, mixpkg(step)].map(drv => realized.get(drv)?.out as StorePath)
  return { store, object: object as StorePath, file: store.hostPath(file as StorePath) }
}

const fileEntry = (path: string, text: string, executable = false): TarEntry => {
  const content = [Buffer.from(text)]
  return { path, type: 'file', executable, size: Buffer.byteLength(text), content }
}

/** A package changed by hand; with a checksum that fits, unless the change sets one. */
function changed(
  t: ExecutionContext,
  file: string,
  change: {
    metadata?: (metadata: Record<string, unknown>) => object
    rest?: (rest: Buffer) => Buffer
  },
): string {
  const tar = gunzipSync(readFileSync(file))
  const size = Number.parseInt(tar.toString('latin1', 124, 135), 8)
  const end = 512 + Math.ceil(size / 512) * 512
  const rest = (change.rest ?? (same => same))(tar.subarray(end))
  const checksum = `sha256:${createHash('sha256').update(rest).digest('hex')}`
  const metadata = { ...JSON.parse(tar.toString('utf8', 512, 512 + size)), checksum }
  const text = JSON.stringify((change.metadata ?? (same => same))(metadata))
  const head = Buffer.concat([...tarOf([fileEntry('metadata.json', text)])]).subarray(0, -1024)
  const path = join(memoryDirectory(t), 'changed.mixpkg')
  writeFileSync(path, gzipSync(Buffer.concat([head, rest])))
  return path
}

/** More entries at the end of the archive. */
const withMore = (...entries: Buffer[]) => ({
  rest: (rest: Buffer) => Buffer.concat([rest.subarray(0, -1024), ...entries, Buffer.alloc(1024)]),
})

/** A raw entry without content. */
function raw(path: string, type: string, { mode = 0o644, target = '' } = {}): Buffer {
  const [block] = tarOf([{ path: 'x', type: 'file', executable: false, size: 0, content: [] }])
  const header = Buffer.from(block as Uint8Array)
  header.fill(0, 0, 100).write(path, 0)
  header.write(mode.toString(8).padStart(7, '0'), 100)
  header.write(type, 156)
  header.write(target, 157)
  header.write(' '.repeat(8), 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

const open = (store: Store, file: string): Promise<Mixpkg> => openMixpkg(store, file, { signal })

async function refusal(t: ExecutionContext, file: string): Promise<string> {
  const store = newStore(t)
  const error = await t.throwsAsync<MixosError>(async () => (await open(store, file)).add())
  t.is(error.code, 'PACKAGE_INVALID', error.message)
  t.deepEqual(store.paths(), [])
  return error.message
}

test('a package in a file becomes the very object that it was made from', async t => {
  const { object, file, store: maker } = await packed(t)
  const store = newStore(t)
  const opened = await open(store, file)
  t.like(opened.metadata, { name: 'hi', version: '1', license: 'MIT', storePath: object })
  t.is(await opened.add(), object)
  opened.discard()
  t.deepEqual(store.record(object), maker.record(object))
  t.deepEqual(readdirSync(store.layout.scratch), [])
})

test('a package in a file is the same every time, and tar can list it', async t => {
  const [one, two] = [await packed(t), await packed(t)]
  t.deepEqual(readFileSync(one.file), readFileSync(two.file))
  const arguments_ = ['--quoting-style=literal', '-tzf', one.file]
  const listed = execFileSync('tar', arguments_).toString().split('\n')
  t.is(listed[0], 'metadata.json')
  t.true(listed.includes('files/bin/hi'))
  t.true(listed.includes('scripts/pre-install.sh'))
  t.true(listed.includes(`files/share/${'long/'.repeat(30)}name-é`))
})

test('an object that names itself and another comes back the same, where the other is', async t => {
  const store = newStore(t)
  const library = filesStep('library', { 'lib/a': 'a' })
  const about = formatPackageInfo(infoOf('user'))
  const realized = await realize(store, [library], quietly())
  const reference = realized.get(library)?.out as StorePath
  const tree = {
    'lib/link': { symlink: `/mix/store/${reference}/lib/a` },
    'share/mix/packages/user.json': about,
  }
  const object = await addTree(store, 'user', { tree, references: [reference] })
  t.deepEqual(store.head(object)?.references, [reference])
  const file = join(memoryDirectory(t), 'user.mixpkg')
  await writeMixpkg({
    store,
    derivation: mixpkg(library),
    inputs: { package: object },
    target: file,
  } as never)
  const opened = await open(store, file)
  t.is(await opened.add(), object)
  const other = newStore(t)
  const lonely = await open(other, file)
  t.deepEqual(lonely.missing(), [reference])
  const error = await t.throwsAsync<MixosError>(lonely.add())
  t.is(error.code, 'OBJECT_UNKNOWN')
  t.true(error.message.includes(reference))
})

test('an object without a description, or with a link out of it, is no package', async t => {
  const step = filesStep('plain', { a: 'b' })
  const none = await t.throwsAsync(realize(newStore(t), [mixpkg(step)], quietly()))
  t.regex(String(none.cause ?? none.message) + none.message, /no description|failed/)
  const out = filesStep('hi', { ...TREE, out: { symlink: '../../etc/passwd' } })
  await t.throwsAsync(realize(newStore(t), [mixpkg(out)], quietly()))
})

const HOSTILE: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
  'a name with ..': [
    raw('files/../../x', '0'),
    /entry "files\/\.\.\/\.\.\/x" has a name that is not plain/,
  ],
  'an absolute name': [raw('/etc/passwd', '0'), /entry "\/etc\/passwd" has an absolute name/],
  'a hard link': [
    raw('files/z', '1', { target: 'files/bin/hi' }),
    /entry "files\/z" is a hard link/,
  ],
  'a character device': [raw('files/z', '3'), /is a character device/],
  'a block device': [raw('files/z', '4'), /is a block device/],
  'a fifo': [raw('files/z', '6'), /is a fifo/],
  'a setuid file': [raw('files/z', '0', { mode: 0o4755 }), /has mode 4755: setuid/],
  'a name twice': [raw('files/bin/hi', '0'), /entry "files\/bin\/hi" is there twice/],
  'a file that is not listed': [
    raw('files/z', '0'),
    /files\/z is not among the files of its metadata/,
  ],
  'a file beside files/': [raw('other', '0'), /entry "other" does not belong in a package/],
  'a file without its directory': [raw('files/q/z', '0'), /comes before its directory/],
}
for (const [what, [entry, message]] of Object.entries(HOSTILE)) {
  test(`a package with ${what} is refused`, async t => {
    const { file } = await packed(t)
    t.regex(await refusal(t, changed(t, file, withMore(entry))), message)
  })
}

for (const [what, target] of [
  ['an absolute link', '/etc/passwd'],
  ['a link that leads out', '../../x'],
]) {
  test(`a package with ${what} is refused`, async t => {
    const { file } = await packed(t)
    const link = raw('files/z', '2', { target: target as string })
    const listed = (metadata: Record<string, unknown>) => ({
      ...metadata,
      files: [...(metadata.files as string[]), 'z'],
    })
    const message = await refusal(t, changed(t, file, { ...withMore(link), metadata: listed }))
    t.regex(message, /entry "files\/z" links to ".*", out of the package/)
  })
}

test('a package is refused for a checksum, a hash, or a list that is wrong, with both values', async t => {
  const { file } = await packed(t)
  const metadata = (change: object) =>
    changed(t, file, { metadata: before => ({ ...before, ...change }) })
  const checksum = await refusal(t, metadata({ checksum: `sha256:${'0'.repeat(64)}` }))
  t.regex(checksum, /checksum is sha256:[0-9a-f]{64}, its metadata says sha256:0{64}/)
  t.regex(
    await refusal(t, metadata({ objectHash: '0'.repeat(64) })),
    /objectHash is 0{64}, storePath is \S+-hi-1: they do not belong together/,
  )
  t.regex(await refusal(t, metadata({ files: [] })), /files\/bin is not among the files/)
  const other = changed(t, file, {
    rest: rest => Buffer.from(rest.toString('latin1').replace('echo hi', 'echo ho'), 'latin1'),
  })
  t.regex(await refusal(t, other), /its files are the object \S+-hi-1, its metadata says \S+-hi-1/)
})

test('metadata that is missing, incomplete, or has more than it may is refused by field', async t => {
  const { file } = await packed(t)
  for (const field of [
    'name',
    'version',
    'dependencies',
    'files',
    'checksum',
    'storePath',
    'references',
    'format',
  ]) {
    const without = changed(t, file, { metadata: before => ({ ...before, [field]: undefined }) })
    t.regex(await refusal(t, without), new RegExp(`metadata\\.json: ${field} is nothing`))
  }
  const more = changed(t, file, { metadata: before => ({ ...before, extra: 1 }) })
  t.regex(await refusal(t, more), /metadata\.json: extra is 1/)
  const range = changed(t, file, { metadata: before => ({ ...before, dependencies: ['a>>1'] }) })
  t.regex(await refusal(t, range), /dependencies is "a>>1"/)
  const lie = changed(t, file, { metadata: before => ({ ...before, license: 'none' }) })
  t.regex(await refusal(t, lie), /license is "none" in metadata\.json and "MIT" in files/)
  const path = join(memoryDirectory(t), 'x.mixpkg')
  writeFileSync(path, gzipSync(Buffer.concat([...tarOf([{ path: 'files', type: 'directory' }])])))
  t.regex(await refusal(t, path), /its first entry is "files", not metadata\.json/)
})

test('scripts that differ from those that would be run are refused', async t => {
  const { file } = await packed(t)
  const entry = Buffer.concat([...tarOf([fileEntry('scripts/post-install.sh', 'rm')])]).subarray(
    0,
    -1024,
  )
  t.regex(
    await refusal(t, changed(t, file, withMore(entry))),
    /scripts\/post-install\.sh and files.* are not the same/,
  )
})

test('a bomb of zeros, too many entries, and what lies behind the end are refused', async t => {
  const { file } = await packed(t)
  const zeros = 80 << 20
  const bomb = Buffer.concat([
    ...tarOf([
      {
        path: 'files/z',
        type: 'file',
        executable: false,
        size: zeros,
        content: [Buffer.alloc(zeros)],
      },
    ]),
  ])
  const listed = (metadata: Record<string, unknown>) => ({
    ...metadata,
    files: [...(metadata.files as string[]), 'z'],
  })
  const path = changed(t, file, { ...withMore(bomb.subarray(0, -1024)), metadata: listed })
  t.regex(await refusal(t, path), /it unpacks to more than 67108864 bytes/)
  const store = newStore(t)
  const many = openMixpkg(store, file, { signal, limits: { entries: 3, bytes: 1 << 20 } })
  t.regex((await t.throwsAsync(many)).message, /it has more than 3 entries/)
  t.deepEqual(readdirSync(store.layout.scratch), [])
  const hidden = changed(t, file, { rest: rest => Buffer.concat([rest, Buffer.from('more')]) })
  t.regex(await refusal(t, hidden), /there is more behind its end/)
})

test('what is no package, cut off, or not there is refused', async t => {
  const { file } = await packed(t)
  const directory = memoryDirectory(t)
  const at = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(directory, name), bytes)
    return join(directory, name)
  }
  const whole = readFileSync(file)
  t.regex(
    await refusal(t, at('cut', whole.subarray(0, whole.length / 2))),
    /not a gzipped file, or it is damaged/,
  )
  t.regex(await refusal(t, at('text', Buffer.from('hello'))), /not a gzipped file/)
  t.regex(await refusal(t, at('empty', gzipSync(''))), /it ends in the middle of an entry/)
  t.regex(await refusal(t, at('noise', gzipSync(Buffer.alloc(5000, 'noise')))), /damaged header/)
  const store = newStore(t)
  const absent = await t.throwsAsync<MixosError>(open(store, join(directory, 'absent')))
  t.is(absent.code, 'FILE_UNAVAILABLE')
  symlinkSync(file, join(directory, 'link'))
  ;(await open(store, join(directory, 'link'))).discard()
  t.regex((await t.throwsAsync(open(store, directory))).message, /is not a file/)
})

test('any change of a byte of the archive is refused, or changes nothing', async t => {
  const { file, object } = await packed(t, {
    'share/mix/packages/hi.json': formatPackageInfo(infoOf('hi')),
  })
  const tar = gunzipSync(readFileSync(file))
  const path = join(memoryDirectory(t), 'x.mixpkg')
  const store = newStore(t)
  await fc.assert(
    fc.asyncProperty(fc.nat(tar.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
      const bytes = Buffer.from(tar)
      bytes[at] = (bytes[at] as number) ^ by
      writeFileSync(path, gzipSync(bytes, { level: 1 }))
      try {
        const opened = await open(store, path)
        t.is(opened.metadata.storePath, object)
        opened.discard()
      } catch (error) {
        t.is((error as MixosError).code, 'PACKAGE_INVALID', String((error as Error).stack))
      }
      return readdirSync(store.layout.scratch).length === 0
    }),
    { numRuns: 200 },
  )
})

test('metadata comes back from its text', async t => {
  const { file } = await packed(t)
  const tar = gunzipSync(readFileSync(file))
  const text = tar.toString('utf8', 512, 512 + Number.parseInt(tar.toString('latin1', 124, 135), 8))
  t.is(formatMixpkgMetadata(parseMixpkgMetadata(text, 'it')), text)
})

test('parsing any JSON as metadata gives metadata or PACKAGE_INVALID', t => {
  fc.assert(
    fc.property(fc.json(), text => {
      const error = t.throws<MixosError>(() => parseMixpkgMetadata(text, 'it'))
      return error.code === 'PACKAGE_INVALID'
    }),
  )
})

test('a link may lead anywhere within its object, and nowhere else', t => {
  const self = `${'0'.repeat(32)}-a-1` as StorePath
  const allowed = (path: string, target: string) => isLinkAllowed({ path, target }, [self])
  t.true(allowed('bin/a', '../lib/b'))
  t.true(allowed('a', `/mix/store/${self}/b`))
  t.false(allowed('a', '..'))
  t.false(allowed('bin/a', '../../x'))
  t.true(allowed('bin/a', './..//./lib/b'))
  t.true(allowed('bin/a', '..'))
  t.false(allowed('bin/a', 'x/../../../y'))
  // Where x is a link, this is not a.
  t.false(allowed('bin/a', 'x/../a'))
  t.false(allowed('a', `/mix/store/${self}/../x`))
  t.false(allowed('a', '/mix/store/'))
  t.false(allowed('a', '/dev/null'))
})

test('links that may be in a package lead to nowhere outside of it, whatever they lead through', t => {
  const name = fc.constantFrom('a', 'b', 'd', '.', '..')
  const target = fc.array(name, { minLength: 1, maxLength: 6 }).map(names => names.join('/'))
  const places = ['a', 'b', 'd/a', 'd/b', 'd/d/a', 'd/d/b']
  const property = fc.property(fc.array(target, { minLength: 6, maxLength: 6 }), targets => {
    const links = new Map(
      places
        .map((path, index) => ({ path, target: targets[index] as string }))
        .filter(link => isLinkAllowed(link, []))
        .map(link => [link.path, link.target]),
    )
    return [...links.keys()].every(path => isInside(links, path))
  })
  t.notThrows(() => fc.assert(property, { numRuns: 2000 }))
})

/** Goes where the kernel would: true where the way ends inside, or in a circle. */
function isInside(links: ReadonlyMap<string, string>, path: string): boolean {
  const at: string[] = []
  const rest = path.split('/')
  for (let steps = 0; steps < 200; steps++) {
    const name = rest.shift()
    if (name === undefined) return true
    if (name === '' || name === '.') continue
    if (name === '..') {
      if (at.length === 0) return false
      at.pop()
      continue
    }
    const target = links.get([...at, name].join('/'))
    if (target === undefined) at.push(name)
    else rest.unshift(...target.split('/'))
  }
  return true
}

test('a package whose configuration is no file of its own is not made, and refused', async t => {
  const { 'etc/hi.conf': _, ...rest } = TREE
  const made = await t.throwsAsync(packed(t, { ...rest, 'etc/hi.conf': { symlink: '../bin/hi' } }))
  t.regex(
    `${made.message} ${made.cause}`,
    /config has hi\.conf, and there is no file etc\/hi\.conf/,
  )
  const { file } = await packed(t)
  const link = raw('files/etc/hi.conf', '2', { target: '../bin/hi' })
  const replaced = changed(t, file, {
    rest: tar => {
      const at = tar.indexOf('files/etc/hi.conf')
      return Buffer.concat([tar.subarray(0, at), link, tar.subarray(at + 1024)])
    },
  })
  t.regex(
    await refusal(t, replaced),
    /config has hi\.conf, and there is no file files\/etc\/hi\.conf/,
  )
})

test('the schema for others has the fields that are read here, and patterns that agree', async t => {
  const { file } = await packed(t)
  const tar = gunzipSync(readFileSync(file))
  const text = tar.toString('utf8', 512, 512 + Number.parseInt(tar.toString('latin1', 124, 135), 8))
  const metadata = JSON.parse(text)
  const path = join(import.meta.dirname, '..', '..', '..', 'graph', 'mixpkg.schema.json')
  const schema = JSON.parse(readFileSync(path, 'utf8'))
  t.deepEqual(Object.keys(schema.properties).toSorted(), Object.keys(metadata).sort())
  for (const field of Object.keys(metadata)) {
    const { [field]: _, ...rest } = metadata
    const read = () => parseMixpkgMetadata(JSON.stringify(rest), 'it')
    if (schema.required.includes(field)) t.throws(read, undefined, field)
    else t.notThrows(read, field)
  }
  const dependency = new RegExp(schema.properties.dependencies.items.pattern)
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z]{1,2}[ <>=!~,]{0,3}[0-9.]{0,3}[ <>=,]{0,2}[0-9]?$/),
      one => {
        const changed = JSON.stringify({ ...metadata, dependencies: [one] })
        const isFine = dependency.test(one)
        const read = () => parseMixpkgMetadata(changed, 'it')
        if (isFine) t.notThrows(read)
        else t.throws(read)
      },
    ),
  )
})
