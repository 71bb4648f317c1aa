// A thread that makes directories at the same moments as other threads: see host.test.ts.
import { workerData } from 'node:worker_threads'
import { nodeHost } from '../../store/hosts/node.ts'

const { directory, rounds, threads, arrived } = workerData as {
  directory: string
  rounds: number
  threads: number
  arrived: Int32Array
}
for (let round = 0; round < rounds; round++) {
  Atomics.add(arrived, 0, 1)
  // Spinning, because waking up takes longer than what is raced for.
  while (Atomics.load(arrived, 0) < (round + 1) * threads);
  nodeHost.files.makeDirectory(`${directory}/${round}/a/b/c`)
}
