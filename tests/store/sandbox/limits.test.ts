import test from 'ava'
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
