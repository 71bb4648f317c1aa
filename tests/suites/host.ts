import { closeSync, existsSync, linkSync, lstatSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { TestFn } from 'ava'
import type { Host } from '../../store/host.ts'
import { memoryDirectory, tempDirectory, writeTree } from '../helpers/temp-store.ts'

/** What every host promises of its files. */
export function hostSuite(test: TestFn, name: string, host: Host): void {
  const { files } = host

  test(`${name}: what is not there is undefined, or nothing to do`, t => {
    const directory = writeTree(tempDirectory(t), { file: '' })
    for (const path of ['missing', 'missing/below']) {
      t.is(files.read(join(directory, path)), undefined)
      t.is(files.lstat(join(directory, path)), undefined)
      t.notThrows(() => files.unlink(join(directory, path)))
    }
    t.is(files.lstat(join(directory, 'file/below')), undefined)
  })

  test(`${name}: a file system is fuller by the files in it`, t => {
    // In memory, where nobody writes later what is written now.
    const directory = memoryDirectory(t)
    const before = files.usedBytes(directory)
    files.writeNew(join(directory, 'file'), Buffer.alloc(2 ** 24))
    // Others may delete files meanwhile.
    t.true(files.usedBytes(directory) - before > 2 ** 22)
    t.throws(() => files.usedBytes(join(directory, 'missing')), { code: 'ENOENT' })
  })

  test(`${name}: what cannot be told is an error`, t => {
    const directory = writeTree(tempDirectory(t), { link: { symlink: 'link' } })
    t.throws(() => files.read(directory), { code: 'EISDIR' })
    t.throws(() => files.read(join(directory, 'link')), { code: 'ELOOP' })
    t.throws(() => files.list(join(directory, 'missing')), { code: 'ENOENT' })
    t.throws(() => files.readLink(directory), { code: 'EINVAL' })
  })

  test(`${name}: a symlink itself is looked at, opened by nobody, and deleted alone`, t => {
    const directory = writeTree(tempDirectory(t), { file: 'text', link: { symlink: 'file' } })
    const link = join(directory, 'link')
    t.true(files.lstat(link)?.isSymbolicLink())
    for (const how of ['read', 'write', 'read-write'] as const)
      t.throws(() => files.open(link, how), { code: 'ELOOP' })
    files.unlink(link)
    t.deepEqual(files.list(directory), ['file'])
  })

  test(`${name}: a new file never replaces what is there`, t => {
    const directory = writeTree(tempDirectory(t), { file: 'old' })
    symlinkSync('elsewhere', join(directory, 'dangling'))
    for (const name of ['file', 'dangling']) {
      t.throws(() => files.writeNew(join(directory, name), 'new'), { code: 'EEXIST' })
      t.throws(() => files.open(join(directory, name), 'create'), { code: 'EEXIST' })
      t.throws(() => files.symlink('new', join(directory, name)), { code: 'EEXIST' })
    }
    t.is(readFileSync(join(directory, 'file'), 'utf8'), 'old')
    t.false(existsSync(join(directory, 'elsewhere')))
  })

  test(`${name}: names are listed in the order of their bytes`, t => {
    const directory = writeTree(tempDirectory(t), { b: '', a: '', B: '', 'a.b': '', é: '' })
    t.deepEqual(files.list(directory), ['B', 'a', 'a.b', 'b', 'é'])
  })

  test(`${name}: a directory is made with its parents, and again`, t => {
    const path = join(tempDirectory(t), 'a/b')
    files.makeDirectory(path, 0o700)
    files.makeDirectory(path)
    t.is(lstatSync(path).mode & 0o777, 0o700)
  })

  test(`${name}: what is written is read, also at a place in the middle`, t => {
    const path = join(tempDirectory(t), 'file')
    const to = files.open(path, 'create')
    files.writeFrom(to, Buffer.from('0123'))
    files.writeFrom(to, Buffer.from('4567'))
    files.writeAt(to, Buffer.from('ab'), 3)
    files.close(to)
    const from = files.open(path, 'read')
    const buffer = Buffer.alloc(6)
    const reads = [1, 2, 3].map(() => {
      const read = files.readInto(from, buffer)
      return buffer.toString('latin1', 0, read)
    })
    t.is(files.statOf(from).size, 8)
    files.close(from)
    t.deepEqual(reads, ['012ab5', '67', ''])
  })

  test(`${name}: a sealed file, directory and symlink have their modes and the time 1`, t => {
    const directory = writeTree(tempDirectory(t), { 'd/a': '', b: '', l: { symlink: 'b' } })
    for (const [name, executable] of [
      ['d/a', true],
      ['b', false],
    ] as const) {
      const fd = files.open(join(directory, name), 'write')
      files.seal(fd, executable)
      files.close(fd)
    }
    files.sealPath(join(directory, 'd'), 'directory')
    files.sealPath(join(directory, 'l'), 'symlink')
    const described = ['d/a', 'b', 'd', 'l'].map(name => {
      const { mode, mtimeMs } = lstatSync(join(directory, name))
      return [mode.toString(8), mtimeMs]
    })
    t.deepEqual(described, [
      ['100555', 1000],
      ['100444', 1000],
      ['40555', 1000],
      ['120777', 1000],
    ])
  })

  test(`${name}: renaming replaces a file and a symlink`, t => {
    const directory = writeTree(tempDirectory(t), { a: 'a', b: 'b', l: { symlink: 'a' } })
    files.rename(join(directory, 'a'), join(directory, 'b'))
    files.rename(join(directory, 'b'), join(directory, 'l'))
    t.deepEqual(files.list(directory), ['l'])
    t.is(files.read(join(directory, 'l'))?.toString(), 'a')
  })

  test(`${name}: a file and a symlink itself get another name, which replaces nothing`, t => {
    const directory = writeTree(tempDirectory(t), { file: 'text', gone: { symlink: 'nowhere' } })
    for (const one of ['file', 'gone']) {
      t.true(files.link(join(directory, one), join(directory, `${one}-2`)))
      t.is(lstatSync(join(directory, `${one}-2`)).ino, lstatSync(join(directory, one)).ino)
      t.throws(() => files.link(join(directory, one), join(directory, 'file-2')), {
        code: 'EEXIST',
      })
    }
    t.throws(() => files.link(join(directory, 'missing'), join(directory, 'x')), { code: 'ENOENT' })
    t.false(files.link('/proc/version', join(directory, 'x')))
  })

  test(`${name}: two names are exchanged, whatever they are of, and nothing with what is missing`, t => {
    const directory = writeTree(tempDirectory(t), { 'a/of': 'a', b: 'b' })
    t.true(files.exchange(join(directory, 'a'), join(directory, 'b')))
    t.is(files.read(join(directory, 'a'))?.toString(), 'b')
    t.deepEqual(files.list(join(directory, 'b')), ['of'])
    t.throws(() => files.exchange(join(directory, 'a'), join(directory, 'missing')), {
      code: 'ENOENT',
    })
  })

  test(`${name}: a file and a directory can be synced, also by a symlink to them, and nothing that is missing`, async t => {
    const directory = writeTree(tempDirectory(t), { file: '', link: { symlink: 'file' } })
    await t.notThrowsAsync(files.sync(join(directory, 'file')))
    await t.notThrowsAsync(files.sync(directory))
    await t.throwsAsync(files.sync(join(directory, 'missing')), { code: 'ENOENT' })
    await t.notThrowsAsync(files.sync(join(directory, 'link')))
  })

  test(`${name}: locks belong to what was opened, not to the process`, t => {
    const path = join(tempDirectory(t), 'lock')
    const [one, two] = [files.open(path, 'read-write'), files.open(path, 'read-write')]
    t.true(files.tryLock(one, 'exclusive'))
    t.false(files.tryLock(two, 'exclusive'))
    t.false(files.tryLock(two, 'shared'))
    files.close(one)
    t.true(files.tryLock(two, 'shared'))
    closeSync(two)
  })

  test(`${name}: bytes of one file are locked each by itself, also beyond its end`, t => {
    const path = join(tempDirectory(t), 'lock')
    const [one, two] = [files.open(path, 'read-write'), files.open(path, 'read-write')]
    const far = 2 ** 48 - 1
    t.true(files.tryLock(one, 'exclusive', far))
    t.true(files.tryLock(two, 'exclusive', far - 1))
    t.false(files.tryLock(two, 'exclusive', far))
    t.false(files.tryLock(two, 'shared', far))
    t.true(files.tryLock(one, 'shared', 0))
    t.true(files.tryLock(two, 'shared', 0))
    files.close(one)
    t.true(files.tryLock(two, 'exclusive', far))
    closeSync(two)
  })

  test(`${name}: a directory with anything in it is removed only as a whole`, t => {
    const directory = writeTree(join(tempDirectory(t), 'tree'), { 'a/b': '' })
    linkSync(join(directory, 'a/b'), join(directory, 'c'))
    t.throws(() => files.removeDirectory(directory), { code: 'ENOTEMPTY' })
    files.removeAll(directory)
    t.false(existsSync(directory))
    t.throws(() => files.removeDirectory(directory), { code: 'ENOENT' })
  })

  test(`${name}: random digits are as many as asked for`, t => {
    for (const digits of [1, 8, 20, 33])
      t.regex(host.randomHex(digits), new RegExp(`^[0-9a-f]{${digits}}$`))
    t.not(host.randomHex(20), host.randomHex(20))
  })
}
