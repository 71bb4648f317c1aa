import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { xz } from '@napi-rs/lzma'
import test, { type ExecutionContext } from 'ava'
import type { MixosError } from '../../../graph/error.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { networkOf } from '../../../store/hosts/node-network.ts'
import { openArchive } from '../../../store/pins/debian/archive.ts'
import { type PinOptions, pinUrls } from '../../../store/pins/pin.ts'
import { makeKey, writeArchive } from '../../helpers/debian-archive.ts'
import { serveDirectory } from '../../helpers/directory-server.ts'
import { file, serve } from '../../helpers/http-server.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

const host = { ...nodeHost, network: networkOf({}) }

test('of two URLs with different bytes no password is shown', async t => {
  const { base } = await serve(t, { '/1': file(Buffer.from('1')), '/2': file(Buffer.from('2')) })
  const { error } = await failureOf(t, [`${withPassword(base)}/1`, `${withPassword(base)}/2`])
  t.is(error?.code, 'HASH_MISMATCH')
  for (const url of [`${base}/1`, `${base}/2`]) t.true(error?.message.includes(`${url} has `))
  t.false(error?.message.includes('secret'))
})

test('of URLs that cannot be fetched no password is shown', async t => {
  const { base } = await serve(t, {})
  const urls = [`${withPassword(base)}/1`, 'gopher://me:secret@host/2', 'http://me:secret@host:x/3']
  const { error, warnings } = await failureOf(t, urls)
  t.is(error?.code, 'FETCH_FAILED')
  t.is(error?.message, `none of these can be fetched: ${base}/1, gopher://host/2, http://host:x/3`)
  t.is(warnings.length, 3)
  t.false(warnings.join().includes('secret'))
})

test('of a fetch that is cancelled no password is shown', async t => {
  const { base } = await serve(t, { '/1': file(Buffer.from('1')) })
  const signal = AbortSignal.abort()
  const { error } = await failureOf(t, [`${withPassword(base)}/1`], { signal })
  t.is(error?.message, `the fetch of ${base}/1 was cancelled`)
})

test('of a mirror without a key ring no password is shown', async t => {
  const key = await makeKey()
  const directory = tempDirectory(t)
  await writeArchive(directory, { signers: [key], packages: {} })
  writeFileSync(join(directory, 'dists/trixie', PACKAGES), xz.compressSync('Package: other\n'))
  const base = `http://127.0.0.1:${await serveDirectory(t, directory)}`
  const warnings: string[] = []
  const opening = openArchive(host, {
    suite: 'trixie',
    fingerprints: [key.fingerprint],
    mirrors: { debian: [withPassword(base)] },
    scratch: tempDirectory(t),
    signal: new AbortController().signal,
    warn: message => warnings.push(message),
  })
  const message = `${base}/dists/trixie/${PACKAGES} has no package debian-archive-keyring`
  await t.throwsAsync(opening, { code: 'SIGNATURE_INVALID', message })
  t.deepEqual(warnings, [message])
})

const PACKAGES = 'main/binary-amd64/Packages.xz'

const withPassword = (base: string): string => base.replace('http://', 'http://me:secret@')

async function failureOf(
  t: ExecutionContext,
  urls: readonly string[],
  options: Pick<Partial<PinOptions>, 'signal'> = {},
) {
  const warnings: string[] = []
  const error = await t.throwsAsync<MixosError>(
    pinUrls(host, urls, {
      path: join(tempDirectory(t), 'file'),
      mirrors: {},
      signal: new AbortController().signal,
      warn: message => warnings.push(message),
      ...options,
    }),
  )
  return { error, warnings }
}
