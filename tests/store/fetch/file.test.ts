import { execFileSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { openDownload } from '../../../store/fetch/download.ts'
import { fileFetcher } from '../../../store/fetch/file.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'
import { testFetcher } from '../../suites/fetcher.ts'

const fetcher = fileFetcher(nodeHost)

testFetcher('file', async (t, content) => {
  const directory = tempDirectory(t)
  const path = join(directory, 'a file #1')
  writeFileSync(path, content)
  return { fetcher, url: pathToFileURL(path), absent: pathToFileURL(join(directory, 'absent')) }
})

const refused: [string, (directory: string) => URL, RegExp][] = [
  ['a directory', directory => pathToFileURL(directory), /not a regular file/],
  ['a fifo', fifo, /not a regular file/],
  ['a symlink', link, /not a regular file/],
  ['another host', () => new URL('file://elsewhere.example/file'), /no path of this machine/],
]

for (const [what, make, message] of refused) {
  test(`file: ${what} is refused`, async t => {
    const directory = tempDirectory(t)
    using target = await openDownload(nodeHost, { path: join(directory, 'target'), size: 1 })
    const fetching = fetcher.fetch(make(directory), target, {
      signal: new AbortController().signal,
      onProgress: () => undefined,
    })
    await t.throwsAsync(fetching, { code: 'FETCH_FAILED', message })
  })
}

test('file: a fetch can be cancelled between two pieces of a file', async t => {
  const directory = tempDirectory(t)
  const path = join(directory, 'source')
  const size = 5 << 20
  writeFileSync(path, Buffer.alloc(size))
  using target = await openDownload(nodeHost, { path: join(directory, 'target'), size })
  let time = 0
  const slow = fileFetcher({ ...nodeHost, uptime: () => (time += 1000) })
  const controller = new AbortController()
  const fetching = slow.fetch(pathToFileURL(path), target, {
    signal: controller.signal,
    // As the handler of a signal does: it has its turn only when others have.
    onProgress: () => setImmediate(() => controller.abort()),
  })
  await t.throwsAsync(fetching, { name: 'AbortError' })
  t.true(target.position > 0 && target.position < size)
})

function fifo(directory: string): URL {
  execFileSync('mkfifo', [join(directory, 'fifo')])
  return pathToFileURL(join(directory, 'fifo'))
}

function link(directory: string): URL {
  symlinkSync('/etc/passwd', join(directory, 'link'))
  return pathToFileURL(join(directory, 'link'))
}
