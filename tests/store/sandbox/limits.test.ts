import test from 'ava'
import type { Host } from '../../../store/host.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { watch } from '../../../store/sandbox/limits.ts'
import { DEFAULT_LIMITS } from '../../../store/sandbox.ts'

const HOURS = 3 * 3_600_000

test('a machine that was suspended, or whose clock was set, ends no build', async t => {
  t.is(await firstOf('now'), 'looked on')
})

test('a build that ran for too long is ended', async t => {
  t.is(await firstOf('uptime'), 'BUILD_LIMIT')
})

for (const [share, outcome] of [
  [0.89, 'looked on'],
  [0.91, 'BUILD_LIMIT'],
] as const) {
  test(`a build that has ${share} of the memory and the swap meets: ${outcome}`, async t => {
    const [memory, swap] = [600_000, 400_000]
    const held = `RssAnon:\t${share * 1_000_000 - 300} kB\nRssShmem:\t200 kB\nVmSwap:\t100 kB\n`
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const files: Readonly<Record<string, string>> = {
      '/proc/meminfo': `MemTotal: ${memory} kB\nSwapTotal: ${swap} kB\n`,
      '/proc/7/status': held,
      '/proc/7/smaps_rollup': held.replace('RssAnon', 'Pss_Anon'),
    }
    let looks = 0
    const host: Host = {
      ...nodeHost,
      files: {
        ...nodeHost.files,
        read: path => (path in files ? Buffer.from(files[path] as string) : undefined),
        list: () => [],
      },
    }
    const watcher = watch(host, {
      limits: DEFAULT_LIMITS,
      pid: () => {
        if (looks++ > 0) resolve('looked on')
        return 7
      },
      onFailed: error => resolve((error as { code: string }).code),
    })
    t.is(await promise.finally(watcher.stop), outcome)
  })
}

/** What the watcher does first after three hours have gone by on that clock alone. */
async function firstOf(clock: 'now' | 'uptime'): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  let reads = 0
  const host = { ...nodeHost, [clock]: () => nodeHost[clock]() + HOURS * reads++ }
  const watcher = watch(host, {
    limits: DEFAULT_LIMITS,
    // Asked for after the time was found good.
    pid: () => {
      resolve('looked on')
      return undefined
    },
    onFailed: error => resolve((error as { code: string }).code),
  })
  return promise.finally(watcher.stop)
}
