import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { faultyHost } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { tempDirectory } from '../helpers/temp-store.ts'
import { hostSuite } from '../suites/host.ts'

hostSuite(test, 'node', nodeHost)
hostSuite(test, 'faulty, without a fault', faultyHost(nodeHost, { at: Infinity, how: 'EIO' }))

test('a directory that several threads make at once is made, for each of them', async t => {
  const workerData = {
    directory: tempDirectory(t),
    rounds: 500,
    threads: 2,
    arrived: new Int32Array(new SharedArrayBuffer(4)),
  }
  const program = new URL('../helpers/make-directories.ts', import.meta.url)
  const workers = Array.from(
    { length: workerData.threads },
    () => new Worker(program, { workerData }),
  )
  // One that failed leaves the others waiting for it.
  t.teardown(() => Promise.all(workers.map(worker => worker.terminate())))
  const ends = await Promise.all(workers.map(worker => once(worker, 'exit')))
  t.deepEqual(ends, [[0], [0]])
})
