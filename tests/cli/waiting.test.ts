import { join } from 'node:path'
import test from 'ava'
import { nodeHost } from '../../store/hosts/node.ts'
import { openStore } from '../../store/store.ts'
import { storeLock } from '../../store/store-lock.ts'
import { place } from '../helpers/run-cli.ts'

const mix = join(import.meta.dirname, '..', '..', 'cli', 'mix', 'on-node.ts')

for (const [program, args] of [
  [undefined, ['gc']],
  [undefined, ['verify', '--drop']],
  [mix, ['gc']],
] as const) {
  const title = `${program ? 'mix' : 'mixos'} ${args.join(' ')}`
  test(`${title} says what it waits for, and goes on when that is over`, async t => {
    const directory = place(t).home
    const user = place(t, {
      environment: { MIXOS_HOME: directory, MIX_ROOT: directory },
      ...(program && { program }),
    })
    const inUse = await storeLock(openStore({ directory, host: nodeHost }), 'store', {
      how: 'shared',
    })
    const running = user.start(...args)
    running.process.stderr?.once('data', () => inUse.release())
    const { code, stderr } = await running.result
    t.is(code, 0, stderr)
    t.is(stderr, 'warning: waiting for other processes that use the store\n')
  })
}
