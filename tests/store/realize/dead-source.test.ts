import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { derivation } from '../../../graph/derivation.ts'
import type { StorePath } from '../../../graph/store-path.ts'
import { push } from '../../../store/cache/push.ts'
import { memoryStorage } from '../../../store/cache/storages/memory.ts'
import type { Event } from '../../../store/event.ts'
import { tracesOf } from '../../../store/realize/known.ts'
import { realize } from '../../../store/realize.ts'
import { substituterOf } from '../../../store/substituter.ts'
import { signer } from '../../helpers/shared-cache.ts'
import { infoStep, quietly, tempStore } from '../../helpers/temp-store.ts'

const { signal } = new AbortController()

test('a source whose server is gone comes from a cache, to which it was pushed with what was made from it', async t => {
  const bytes = Buffer.from('all that upstream ever published')
  const upstream = createServer((_, response) => void response.end(bytes)).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/source`
  const source = derivation({
    name: 'source',
    version: '1',
    builder: ['builtin:fetch-url'],
    fetch: {
      urls: [url],
      hash: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
      size: bytes.length,
    },
  })
  const theirs = tempStore(t)
  const product = infoStep('product', { source })
  await realize(theirs, [product], quietly())
  const storage = memoryStorage()
  const traces = tracesOf(theirs, [product])
  await push(theirs, storage, traces, { key: signer, signal, report: () => undefined })
  upstream.closeAllConnections()
  upstream.close()
  await once(upstream, 'close')

  await t.throwsAsync(fetch(url))

  const store = tempStore(t)
  const events: Event[] = []
  const policy = { keys: [signer.public], threshold: 1 }
  await using substituter = substituterOf(
    store,
    [{ name: 'team', policy, open: async () => storage }],
    { signal, report: event => events.push(event) },
  )
  const realized = await realize(store, [source], { ...quietly(events), substituter })
  t.deepEqual(
    events.flatMap(event => (event.type === 'done' ? [event.how] : [])),
    ['substituted'],
  )
  const path = realized.get(source)?.out as StorePath
  t.true(readFileSync(store.hostPath(path)).equals(bytes))
})
