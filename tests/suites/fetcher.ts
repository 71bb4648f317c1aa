import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openDownload } from '../../store/fetch/download.ts'
import type { Fetcher } from '../../store/fetch/fetcher.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { noise, sha256 } from '../helpers/http-server.ts'
import { tempDirectory } from '../helpers/temp-store.ts'

const content = noise(300_000)
const idle = { signal: new AbortController().signal, onProgress: () => undefined }

/**
 * The contract every Fetcher keeps. `holding` makes one, and URLs for a file with that content and for
 * a file that is not there.
 */
export function testFetcher(
  kind: string,
  holding: (
    t: ExecutionContext,
    content: Buffer,
  ) => Promise<{ fetcher: Fetcher; url: URL; absent: URL }>,
): void {
  const open = async (t: ExecutionContext, { held = '', size = content.length } = {}) => {
    const path = join(tempDirectory(t), 'file')
    if (held !== '') writeFileSync(path, held, 'latin1')
    const target = await openDownload(nodeHost, { path, size })
    t.teardown(() => target[Symbol.dispose]())
    return { path, target }
  }

  test(`${kind}: a file is brought whole, and hashed on the way`, async t => {
    const { fetcher, url } = await holding(t, content)
    const { path, target } = await open(t)
    await fetcher.fetch(url, target, idle)
    t.true(readFileSync(path).equals(content))
    t.is(target.hash(), sha256(content))
  })

  test(`${kind}: a target that holds a beginning ends up whole`, async t => {
    const { fetcher, url } = await holding(t, content)
    const { path, target } = await open(t, { held: content.toString('latin1', 0, 100_001) })
    t.is(target.position, 100_001)
    await fetcher.fetch(url, target, idle)
    t.true(readFileSync(path).equals(content))
    t.is(target.hash(), sha256(content))
  })

  test(`${kind}: progress tells the bytes held and ends at the size`, async t => {
    const { fetcher, url } = await holding(t, content)
    const { target } = await open(t)
    const told: number[] = []
    await fetcher.fetch(url, target, { ...idle, onProgress: bytes => told.push(bytes) })
    t.is(told.at(-1), content.length)
    t.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    )
  })

  test(`${kind}: an empty file is a file`, async t => {
    const { fetcher, url } = await holding(t, Buffer.alloc(0))
    const { target } = await open(t, { size: 0 })
    await t.notThrowsAsync(fetcher.fetch(url, target, idle))
  })

  test(`${kind}: an absent file is FETCH_FAILED`, async t => {
    const { fetcher, absent } = await holding(t, content)
    const { target } = await open(t)
    await t.throwsAsync(fetcher.fetch(absent, target, idle), { code: 'FETCH_FAILED' })
    t.is(target.position, 0)
  })

  for (const difference of [-1, 1]) {
    test(`${kind}: a file of another size (${difference}) is HASH_MISMATCH, with both sizes`, async t => {
      const { fetcher, url } = await holding(t, content)
      const size = content.length + difference
      const { target } = await open(t, { size })
      const error = await t.throwsAsync(fetcher.fetch(url, target, idle), { code: 'HASH_MISMATCH' })
      t.regex(error?.message ?? '', new RegExp(`${content.length}.*${size}`))
    })
  }

  test(`${kind}: an aborted fetch rejects`, async t => {
    const { fetcher, url } = await holding(t, content)
    const { target } = await open(t)
    const signal = AbortSignal.abort(new Error('enough'))
    await t.throwsAsync(fetcher.fetch(url, target, { ...idle, signal }), { message: 'enough' })
  })
}
