// Everything here is on disk somewhere, in a store, a cache or a lock. A diff in this file means that what
// is there is no longer found: raise the format's version where it is made, and say so in the changelog.
import test from 'ava'
import { type Derivation, derivation, output } from '../graph/derivation.ts'
import { explainDerivation, hashDerivation, hashResolved } from '../graph/hash.ts'
import { formatLock } from '../graph/lock.ts'
import { hashManifest, type Manifest, SELF_PLACEHOLDER } from '../graph/manifest.ts'
import { absolute, digestOf, type ObjectHash, storePathOf } from '../graph/store-path.ts'

const source: Derivation = derivation({
  name: 'hello-source',
  version: '2.12',
  builder: ['builtin:fetch-url'],
  fetch: {
    urls: ['https://example.org/hello-2.12.tar.gz', 'mirror://debian/hello-2.12.tar.gz'],
    hash: `sha256:${'0123456789abcdef'.repeat(4)}`,
    size: 1033297,
  },
})
const tools: Derivation = derivation({
  name: 'tools',
  version: '1.0',
  builder: ['builtin:files'],
  env: { files: '{}' },
  outputs: ['out', 'dev'],
})
const hello: Derivation = derivation({
  name: 'hello',
  version: '2.12',
  builder: ['/bin/sh', '-eu', '-c', 'make "prefix=$out"\n'],
  env: { CFLAGS: '-O2', GREETING: 'grüß dich \u{1f600}' },
  inputs: { root: tools, headers: output(tools, 'dev'), source },
  outputs: ['out', 'doc'],
})

const manifest: Manifest = {
  label: 'hello-2.12',
  references: [storePathOf('1'.repeat(64) as ObjectHash, 'musl-1.2.5')],
  entries: [
    { path: '', type: 'directory' },
    { path: 'bin', type: 'directory' },
    { path: 'bin/hello', type: 'file', executable: true, size: 4096, hash: 'ab'.repeat(32) },
    { path: 'bin/hi', type: 'symlink', target: 'hello' },
    { path: 'grüße', type: 'file', executable: false, size: 64, hash: 'cd'.repeat(32), self: [0] },
    { path: 'self', type: 'symlink', target: `/mix/store/${SELF_PLACEHOLDER}-x`, self: [11] },
  ],
}

test('the hash of a derivation never changes', t => {
  t.is<string, string>(
    hashDerivation(source),
    '5288cbcb05c3178a2935322793a7c2f11e713c379e20d834955d7843ba58e926',
  )
  t.is<string, string>(
    hashDerivation(tools),
    'c988cab0ba9a15ea206cac7c44d0cb14facb4ac100377c5ebff0e86478e4126b',
  )
  t.is<string, string>(
    hashDerivation(hello),
    'dcaf5da649067fda01c352abcd9e8fad4e2a356b0eaaacf3a3f886ee5271d148',
  )
})

test('the resolved hash of a derivation never changes', t => {
  const objects: Record<string, string> = { out: '1', dev: '2' }
  const objectOf = (name: string) => (objects[name] ?? '').repeat(64) as ObjectHash
  t.is<string, string>(
    hashResolved(hello, input => objectOf(input.output)),
    'd7c6fdd21634aeed2d47424b385eaa11ef5a72c6836c46361b8eb3dee82c3ea9',
  )
})

test('the fields that are hashed never change', t => {
  t.is(
    explainDerivation(source),
    `format = "mixos-derivation-1"
name = "hello-source"
version = "2.12"
system = "x86_64-linux"
builder.0 = "builtin:fetch-url"
output.0 = "out"
fetch.url.0 = "https://example.org/hello-2.12.tar.gz"
fetch.url.1 = "mirror://debian/hello-2.12.tar.gz"
fetch.hash = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
fetch.size = "1033297"`,
  )
})

test('the hash and the path of an object never change', t => {
  const hash = hashManifest(manifest)
  t.is<string, string>(hash, '6c01636d26c4a106ffd85b49fded8331fd9b3d08514a4e98c5fee7ca19ea74eb')
  t.is(
    absolute(storePathOf(hash, manifest.label)),
    '/mix/store/dh0n6v96qjhhdzyqbd4zvvc367yrng88-hello-2.12',
  )
})

test('the digest of a hash never changes', t => {
  const hash = '0123456789abcdeffedcba98765432100123456789abcdeffedcba9876543210' as ObjectHash
  t.is<string, string>(digestOf(hash), '04ilarw9mg6yzznwpac7cm1j200j6ib7')
})

test('the text of flake-free.lock never changes', t => {
  const lock = {
    pins: {
      'musl-source': {
        name: 'musl-source',
        version: '1.2.5',
        urls: ['https://example.org/musl-1.2.5.tar.gz'],
        hash: `sha256:${'ab'.repeat(32)}`,
        size: 1080786,
      },
      bash: {
        name: 'bash',
        version: '5.2.37-2+b5',
        urls: ['mirror://debian/pool/main/b/bash/bash.deb', 'https://example.org/bash.deb'],
        hash: `sha256:${'cd'.repeat(32)}`,
        size: 1500000,
      },
    },
    seeds: { image: ['bash'], build: ['bash'] },
  } as const
  t.is(
    formatLock(lock),
    `{
  "version": 1,
  "pins": {
    "bash": {"version":"5.2.37-2+b5","hash":"sha256:${'cd'.repeat(32)}","size":1500000,"urls":["mirror://debian/pool/main/b/bash/bash.deb","https://example.org/bash.deb"]},
    "musl-source": {"version":"1.2.5","hash":"sha256:${'ab'.repeat(32)}","size":1080786,"urls":["https://example.org/musl-1.2.5.tar.gz"]}
  },
  "seeds": {
    "build": [
      "bash"
    ],
    "image": [
      "bash"
    ]
  }
}
`,
  )
})
