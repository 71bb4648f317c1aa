import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  bucketAt,
  environmentOf,
  startNginx,
  startRegistry,
  startS3,
} from '../helpers/cache-servers.ts'
import { type Place, place } from '../helpers/run-cli.ts'
import { tempDirectory } from '../helpers/temp-store.ts'

const RECIPES = `
import { textFiles } from 'mixos'
const files = { text: 'hello', 'bin/run': { executable: '#!/bin/sh' } }
export const greeting = textFiles({ name: 'greeting', version: '1', files })
export const farewell = textFiles({ name: 'farewell', version: '1', files: { text: 'bye' } })
`
const PACKAGES = ['greeting', 'farewell', '-f', 'mine.ts']
const MIXOS_CACHE_TOKEN = '0123456789abcdef0123456789abcdef'

/** Addresses of one cache, and what lets its users in. */
interface Backend {
  readonly to: string
  readonly from: string
  /** Of the one who pushes. */
  readonly writer?: Readonly<Record<string, string>>
  readonly reader?: Readonly<Record<string, string>>
}

const backends: Record<string, (t: ExecutionContext) => Promise<Backend>> = {
  'a directory': async t => {
    const to = join(tempDirectory(t), 'cache')
    return { to, from: `file://${to}` }
  },
  'mixos cache serve': async t => {
    const server = place(t, { environment: { MIXOS_CACHE_TOKEN } })
    const { process, result } = server.start('cache', 'serve', 'cache', '--port', '0')
    t.teardown(async () => {
      process.kill('SIGINT')
      await result
    })
    const url = await printedUrl(process.stderr)
    return { to: url, from: url, writer: { MIXOS_CACHE_TOKEN } }
  },
  nginx: async t => {
    const server = await startNginx()
    t.teardown(server.stop)
    return { to: join(server.directory, 'files'), from: server.base }
  },
  'an S3 server': async t => {
    const server = await startS3()
    t.teardown(server.stop)
    const address = await bucketAt(server)
    const both = environmentOf(server)
    return { to: address, from: address, writer: both, reader: both }
  },
  'an OCI registry': async t => {
    const server = await startRegistry()
    t.teardown(server.stop)
    const address = `oci://127.0.0.1:${server.port}/team/cache`
    return { to: address, from: address }
  },
}

for (const [name, open] of Object.entries(backends)) {
  test.serial(`who trusts a key alone has by ${name} what a colleague has built`, async t => {
    const { to, from, writer = {}, reader = {} } = await open(t)
    const alice = user(t, writer)
    const key = await succeeding(alice, 'cache', 'keygen', 'alice')
    const built = await succeeding(alice, 'realize', ...PACKAGES)
    await succeeding(alice, 'cache', 'push', ...PACKAGES, '--to', to)

    const bob = user(t, reader)
    await succeeding(bob, 'cache', 'trust', 'add', key)
    const { code, stdout, stderr } = await bob.mixos('realize', ...PACKAGES, '--cache', from)
    t.is(code, 0, stderr)
    t.regex(stderr, /^(substituted \w+-1 .*\n){2}took 2 from caches, built 0, fetched 0 .*\n$/)
    t.deepEqual(bytesOf(stdout), bytesOf(built))
    t.is(await succeeding(bob, 'verify'), '2 objects checked: all is well')
  })
}

function user(t: ExecutionContext, environment: Readonly<Record<string, string>>): Place {
  const one = place(t, { environment })
  writeFileSync(join(one.directory, 'mine.ts'), RECIPES)
  return one
}

async function succeeding(one: Place, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await one.mixos(...args)
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

/** Of the objects whose paths are printed, by name: what is in their files. */
function bytesOf(printed: string): Record<string, string> {
  const files = ['greeting-1/text', 'greeting-1/bin/run', 'farewell-1/text']
  return Object.fromEntries(
    files.map(file => {
      const [object = '', ...rest] = file.split('/')
      const path = printed.split('\n').find(line => line.endsWith(`-${object}`)) ?? ''
      return [join(basename(path), ...rest), readFileSync(join(path, ...rest), 'utf8')]
    }),
  )
}

async function printedUrl(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = ''
  for (;;) {
    const [, url] = /^serving (\S+) /m.exec(text) ?? []
    if (url) return url
    const [chunk] = (await once(stream as NodeJS.ReadableStream, 'data')) as [Buffer]
    text += chunk
  }
}
