import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { place } from '../helpers/run-cli.ts'

test('an interruption stops cleanly with 130, and the next run goes on', async t => {
  // The first request gets no answer, the later ones the five bytes.
  const asked = Promise.withResolvers<void>()
  let requests = 0
  const server = createServer((_, response) => {
    requests++
    if (requests === 1) asked.resolve()
    else response.end('hello')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo

  const { directory, mixos, start } = place(t)
  const fetch = {
    urls: [`http://127.0.0.1:${port}/hello`],
    hash: 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    size: 5,
  }
  const spec = { name: 'hello', version: '1', builder: ['builtin:fetch-url'], fetch }
  writeFileSync(
    join(directory, 'hello.ts'),
    `import { derivation } from 'mixos'\nexport const hello = derivation(${JSON.stringify(spec)})`,
  )

  const stalled = start('realize', 'hello', '-f', 'hello.ts')
  await asked.promise
  stalled.process.kill('SIGINT')
  const { code, stdout, stderr } = await stalled.result
  t.is(code, 130)
  t.is(stdout, '')
  t.is(
    stderr,
    'stopping; interrupt once more to stop at once\n' +
      'error: the fetch of hello-1 was cancelled\n  because: interrupted\nhint: the next run goes on\n',
  )

  const again = await mixos('realize', 'hello', '-f', 'hello.ts')
  t.is(again.code, 0)
  t.regex(again.stderr, /^fetched hello-1 \(5 bytes\) in /)
  t.is((await mixos('verify')).stdout, '1 object checked: all is well\n')
})
