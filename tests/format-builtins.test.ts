import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { type Derivation, type DerivationSpec, derivation } from '../graph/derivation.ts'
import { PACKAGE_INDEX_FORMAT } from '../graph/package-index.ts'
import { formatPackageInfo, packageInfoPath } from '../graph/package-info.ts'
import { realize } from '../store/realize.ts'
import { debOf } from './helpers/deb.ts'
import { infoOf } from './helpers/package.ts'
import { filesStep, quietly, tempDirectory, tempStore } from './helpers/temp-store.ts'

// No hash of a step says what its built-in program does. A difference here means that stores and caches hold, for the
// same hash, what the program wrote before: give it another name, such as builtin:profile-2, here and in its recipe.

const info = (name: string, config: string[] = []) => ({
  [packageInfoPath(name)]: formatPackageInfo(infoOf(name, { config })),
})
const library = filesStep('library', { 'lib/library.so': 'text', ...info('library') })
const program = filesStep(
  'program',
  {
    'bin/run': { executable: '#!/bin/sh\n' },
    'bin/go': { symlink: 'run' },
    'etc/program.conf': 'text\n',
    ...info('program', ['program.conf']),
  },
  { library },
)
const packages = { library, program }

const written: Record<string, [string, Partial<DerivationSpec>]> = {
  'builtin:closure-info': ['yllamywjv19jpn0l7844gmpfiqbknmac-it-1', { inputs: packages }],
  'builtin:files': [
    'kddhcs4ljpsl2w4d18r3jqxgiidc8jj9-it-1',
    { env: { files: JSON.stringify({ a: 'text', b: { symlink: 'a' } }) } },
  ],
  'builtin:mixpkg': ['viahflz59nnji41cxmqmg7l37mgs24c2-it-1', { inputs: { package: program } }],
  'builtin:newc': [
    '8b0plh9bja626wg9h8i9n6075ws89y77-it-1',
    { env: { devices: 'bin/console c 5 1 600\n' }, inputs: { tree: program } },
  ],
  'builtin:profile': [
    'ws06v9m6s7g9gx3zzgwiiqdlpi7fqmii-it-1',
    { env: { requested: 'program' }, inputs: packages },
  ],
  'builtin:repository-2': [
    '5rb5ani93pjc3vsmj0pj482m7q250in5-it-1',
    { env: { format: PACKAGE_INDEX_FORMAT }, inputs: packages },
  ],
}

for (const [builtin, [path, spec]] of Object.entries(written)) {
  test(`${builtin} writes what it has always written`, async t => {
    t.is(
      await pathMadeBy(t, derivation({ name: 'it', version: '1', builder: [builtin], ...spec })),
      path,
    )
  })
}

test('builtin:unpack-deb writes what it has always written', async t => {
  const mtime = new Date(0)
  const deb = await debOf([
    { name: './usr/bin/tool', content: 'run', mode: 0o755, mtime },
    { name: './usr/lib/tool', type: 'symlink', linkname: '../bin/tool', mtime },
  ])
  const file = join(tempDirectory(t), 'it.deb')
  writeFileSync(file, deb)
  const fetched = derivation({
    name: 'it.deb',
    version: '1',
    builder: ['builtin:fetch-url'],
    fetch: {
      urls: [pathToFileURL(file).href],
      hash: `sha256:${createHash('sha256').update(deb).digest('hex')}`,
      size: deb.length,
    },
  })
  const spec = { builder: ['builtin:unpack-deb'], inputs: { deb: fetched } }
  t.is(
    await pathMadeBy(t, derivation({ name: 'it', version: '1', ...spec })),
    'f7fqz7hls7nkzzzzkcy0pzdqygalrxzn-it-1',
  )
})

async function pathMadeBy(t: ExecutionContext, drv: Derivation): Promise<string | undefined> {
  return (await realize(tempStore(t), [drv], quietly())).get(drv)?.out
}
