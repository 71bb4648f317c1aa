import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { mixSources } from '../../configs/mix-sources.ts'
import { pins } from '../../configs/pins.ts'

const project = join(import.meta.dirname, '..', '..')
const sources = mixSources()

/** What the recipe bundles, and what the runtime brings along. */
const BUNDLED = ['@napi-rs/blake-hash', 'bun:ffi', 'cmd-ts', 'fastest-levenshtein', 'tuf-js']

test('mix imports no package but those that are bundled with it', t => {
  const imported = Object.values(sources)
    .flatMap(text => [
      ...text.matchAll(/^(?:import|export)\s+(?!type\s)(?:[^'"`;=()]*?\sfrom\s+)?'([^.'][^']*)'/gm),
      ...text.matchAll(/\bimport\('([^.'][^']*)'\)/g),
    ])
    .map(match => match[1] as string)
    .filter(what => !what.startsWith('node:'))
    .map(what => what.replace(/^((@[^/]+\/)?[^/]+).*/, '$1'))
  t.deepEqual([...new Set(imported)].sort(), BUNDLED)
})

test('mix is made of the store, the graph and its commands, and carries no recipes', t => {
  const others = Object.keys(sources).filter(path => !/^(cli|graph|store)\//.test(path))
  t.deepEqual(others, [])
  t.false('store/hosts/node.ts' in sources)
  t.false('cli/mixos.ts' in sources)
})

test('what is bundled has the versions that the tests ran with', t => {
  const text = readFileSync(join(project, 'package-lock.json'), 'utf8')
  const lock = JSON.parse(text) as { packages: Record<string, { version: string }> }
  const bundled = Object.entries(pins.sources).filter(([name]) => name.startsWith('npm/'))
  t.true(bundled.length > 0)
  for (const [name, source] of bundled) {
    const [, npmName = ''] = /^mirror:\/\/npm\/(.*)\/-\//.exec(source.urls?.[0] ?? '') ?? []
    // One that only a dependency needs may be there in another version for others.
    const versions = Object.entries(lock.packages)
      .filter(([path]) => path.endsWith(`node_modules/${npmName}`))
      .map(([, { version }]) => version)
    t.true('version' in source && versions.includes(source.version), `${name}: ${versions}`)
  }
})
