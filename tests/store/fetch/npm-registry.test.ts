import { spawn } from 'node:child_process'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { withNpm } from '../../../store/fetch/npm-registry.ts'
import type { Host } from '../../../store/host.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

const urls = ['https://a.example/x', 'mirror://npm/x/-/x-1.tgz']

/** The real machine, with another npm, or with none. */
function hostWith(npm: string): Host {
  const processes: Host['processes'] = {
    ...nodeHost.processes,
    spawn: (_, args, options) => spawn(npm, args, options),
  }
  return { ...nodeHost, processes }
}

test('npm is asked for its registry once, where a URL needs one and no settings name it', async t => {
  const directory = tempDirectory(t)
  const npm = join(directory, 'npm')
  writeFileSync(npm, `#!/bin/sh\nmkdir ${directory}/asked && echo https://npm.example/\n`)
  chmodSync(npm, 0o755)
  const host = hostWith(npm)
  const known = { npm: ['https://mine.example'] }
  t.is(await withNpm(host, known, urls), known)
  t.deepEqual(await withNpm(host, {}, ['https://a.example/x']), {})
  t.false(existsSync(join(directory, 'asked')))
  for (let i = 0; i < 2; i++) {
    t.deepEqual(await withNpm(host, { gnu: [] }, urls), { gnu: [], npm: ['https://npm.example/'] })
  }
  t.true(existsSync(join(directory, 'asked')))
})

test('without npm, or with one that says nothing of use, there is no mirror', async t => {
  t.deepEqual(await withNpm(hostWith('/missing/npm'), {}, urls), {})
  t.deepEqual(await withNpm(hostWith('/bin/true'), {}, urls), {})
})
