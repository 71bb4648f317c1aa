import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type Derivation, type DerivationSpec, derivation } from '../../../graph/derivation.ts'
import type { MixosError } from '../../../graph/error.ts'
import { absolute, digestOfPath } from '../../../graph/store-path.ts'
import { builtin, isBuiltin } from '../../../store/builtins/index.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { realize } from '../../../store/realize.ts'
import { filesStep, infoStep, quietly, tempStore } from '../../helpers/temp-store.ts'

test('builtin:files writes text, executables and symlinks', async t => {
  const { store, path } = await made(
    t,
    filesStep('a', {
      'etc/motd': 'hello\n',
      'bin/run': { executable: '#!/bin/sh\n' },
      'etc/link': { symlink: '/nowhere' },
    }),
  )
  t.deepEqual(
    store.record(path)?.manifest.entries.map(entry => [entry.path, entry.type]),
    [
      ['', 'directory'],
      ['bin', 'directory'],
      ['bin/run', 'file'],
      ['etc', 'directory'],
      ['etc/link', 'symlink'],
      ['etc/motd', 'file'],
    ],
  )
  t.is(readFileSync(join(store.hostPath(path), 'etc/motd'), 'utf8'), 'hello\n')
  t.is(statSync(join(store.hostPath(path), 'bin/run')).mode & 0o777, 0o555)
})

test('builtin:files without files is an empty directory', async t => {
  const { store, path } = await made(
    t,
    derivation({ name: 'empty', version: '1', builder: ['builtin:files'] }),
  )
  t.deepEqual(store.record(path)?.manifest.entries, [{ path: '', type: 'directory' }])
})

const refused: Record<string, string> = {
  'text that is not JSON': '{',
  'a list': '[]',
  null: 'null',
  'an absolute path': '{"/etc/passwd":""}',
  'a path out of the tree': '{"a/../../b":""}',
  'an empty path': '{"":""}',
  'a number for a file': '{"a":1}',
  'a symlink to nothing': '{"a":{"symlink":""}}',
  'a symlink with a NUL byte': '{"a":{"symlink":"b\\u0000c"}}',
  'a file below a file': '{"a":"","a/b":""}',
  'a file below a symlink': '{"a":{"symlink":"/tmp"},"a/b":""}',
  'a file below a symlink that comes later': '{"a/b":"","a":{"symlink":"/tmp"}}',
}

for (const [what, files] of Object.entries(refused)) {
  test(`builtin:files refuses ${what}`, async t => {
    const drv = derivation({
      name: 'bad',
      version: '1',
      builder: ['builtin:files'],
      env: { files },
    })
    await t.throwsAsync(made(t, drv), { code: 'DERIVATION_INVALID', message: /^bad-1: / })
  })
}

test('builtin:files says which paths it takes', async t => {
  const error = await t.throwsAsync<MixosError>(made(t, filesStep('bad', { '../x': '' })))
  t.is(error.message, 'bad-1: file "../x" is not a relative path of plain names')
  t.is(error.hint, 'write it as it is below the top of the output, without . and ..: etc/motd')
})

test('builtin:closure-info lists the closure and holds its records', async t => {
  const library = filesStep('library', { a: '1' })
  const info = infoStep('info', { library })
  const { store, path } = await made(t, infoStep('top', { info }))
  const object = store.hostPath(path)
  const paths = store.paths().filter(other => other !== path)
  t.is(
    readFileSync(join(object, 'paths'), 'utf8'),
    paths.map(path => `${absolute(path)}\n`).join(''),
  )
  for (const other of paths) {
    const name = `${digestOfPath(other)}.json`
    t.deepEqual(
      readFileSync(join(object, 'db/objects', name)),
      readFileSync(store.layout.record(digestOfPath(other))),
    )
  }
  t.deepEqual(store.record(path)?.manifest.references, paths)
})

test('a builtin that does not exist is refused, with those that do', async t => {
  for (const name of ['builtin:missing', 'builtin:constructor', 'builtin:__proto__']) {
    await t.throwsAsync(async () => builtin(name), {
      code: 'DERIVATION_INVALID',
      message: `there is no ${name}`,
    })
  }
  t.true(isBuiltin({ builder: ['builtin:files'] }))
  t.false(isBuiltin({ builder: ['/bin/sh'] }))
})

const text = filesStep('text', { a: 'text' })
const newcStep = derivation({
  name: 'initramfs',
  version: '1',
  builder: ['builtin:newc'],
  inputs: { tree: text },
})
const wrong: readonly [what: string, spec: Omit<DerivationSpec, 'name' | 'version'>, RegExp][] = [
  [
    'a tree in place of a Debian package',
    { builder: ['builtin:unpack-deb'], inputs: { deb: text } },
    /^bad-1: its input deb is no file, and so no Debian package$/,
  ],
  [
    'a line that is no device',
    { builder: ['builtin:newc'], inputs: { tree: text }, env: { devices: 'dev/sda b 8 0 600' } },
    /^bad-1: not a device: "dev\/sda b 8 0 600"$/,
  ],
  [
    'a device without its directory',
    { builder: ['builtin:newc'], inputs: { tree: text }, env: { devices: 'dev/null c 1 3 666' } },
    /^bad-1: dev\/null comes without its directory$/,
  ],
  [
    'an archive in place of a tree',
    { builder: ['builtin:newc'], inputs: { tree: newcStep } },
    /^bad-1: its input tree is no directory$/,
  ],
  ['no package', { builder: ['builtin:mixpkg'] }, /^bad-1: builtin:mixpkg needs an input named/],
  ['an unknown builtin', { builder: ['builtin:missing'] }, /^bad-1: there is no builtin:missing$/],
]
for (const [what, spec, message] of wrong) {
  test(`a step with ${what} is DERIVATION_INVALID, and named`, async t => {
    const drv = derivation({ name: 'bad', version: '1', ...spec })
    await t.throwsAsync(made(t, drv), { code: 'DERIVATION_INVALID', message })
  })
}

test('a tree where a file is read is told of with the step', async t => {
  const { store, path } = await made(t, text)
  // A builtin that is misled: it reads the tree for the record of it.
  const read = (at: string) =>
    nodeHost.files.read(at.startsWith(store.layout.records) ? store.hostPath(path) : at)
  const host = { ...nodeHost, files: { ...nodeHost.files, read } }
  const info = infoStep('info', { text })
  const error = await t.throwsAsync<MixosError>(realize({ ...store, host }, [info], quietly()), {
    code: 'DERIVATION_INVALID',
    message: /^info-1: an input is of another kind: illegal operation on a directory/,
  })
  t.notRegex(error.hint ?? '', /move/)
})

async function made(t: Parameters<typeof tempStore>[0], drv: Derivation) {
  const store = tempStore(t)
  const realized = await realize(store, [drv], quietly())
  return { store, path: realized.get(drv)?.out as ReturnType<typeof store.paths>[number] }
}
