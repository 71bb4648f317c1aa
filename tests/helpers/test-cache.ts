import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { homeOf, project } from '../../cli/context.ts'
import { bootstrap } from '../../derivations/seeds/bootstrap.ts'
import type { Derivation } from '../../graph/derivation.ts'
import { type Lock, parseLock } from '../../graph/lock.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { machineMirrors, withArchive } from '../../store/fetch/mirrors.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import type { Tools } from '../../store/realize/options.ts'
import { realize } from '../../store/realize.ts'
import { openStore } from '../../store/store.ts'

/**
 * Realizes what the lock pins for tests, once per machine: in `$MIXOS_TEST_CACHE`, or else the user's own store.
 * Gives where the first output of each is.
 */
export async function realizedForTests(
  choose: (lock: Lock, tools: Tools) => readonly Derivation[],
): Promise<string[]> {
  const lock = parseLock(readFileSync(join(project, 'flake-free.lock'), 'utf8'))
  const tools = bootstrap(lock)
  const chosen = choose(lock, tools)
  const directory = process.env.MIXOS_TEST_CACHE ?? homeOf(process.env, project)
  const store = openStore({ directory, host: nodeHost })
  const realized = await realize(store, chosen, {
    tools,
    mirrors: withArchive(machineMirrors(nodeHost, process.env), lock),
    jobs: 2,
    cores: 1,
    signal: new AbortController().signal,
    report: event => {
      if (event.type === 'failed') throw event.error
    },
  })
  return chosen.map(drv => store.hostPath(realized.get(drv)?.out as StorePath))
}
