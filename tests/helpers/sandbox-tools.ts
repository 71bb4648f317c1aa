import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { homeOf, project } from '../../cli/context.ts'
import { bootstrap } from '../../derivations/seeds/bootstrap.ts'
import type { Derivation } from '../../graph/derivation.ts'
import { parseLock } from '../../graph/lock.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { machineMirrors, withArchive } from '../../store/mirrors.ts'
import { realize } from '../../store/realize.ts'
import type { SandboxTools } from '../../store/sandbox.ts'
import { openStore } from '../../store/store.ts'

/**
 * What sandboxes are made of, as pinned. It is fetched once per machine, into `$MIXOS_TEST_CACHE` or else
 * the user's own store.
 */
export function sandboxTools(): Promise<SandboxTools> {
  found ??= findTools()
  return found
}

let found: Promise<SandboxTools> | undefined

async function findTools(): Promise<SandboxTools> {
  const lock = parseLock(readFileSync(join(project, 'flake-free.lock'), 'utf8'))
  const tools = bootstrap(lock)
  const directory = process.env.MIXOS_TEST_CACHE ?? homeOf(process.env, project)
  const store = openStore({ directory, host: nodeHost })
  const realized = await realize(store, [tools.bubblewrap, tools.busybox], {
    tools,
    mirrors: withArchive(machineMirrors(nodeHost, process.env), lock),
    jobs: 2,
    cores: 1,
    signal: new AbortController().signal,
    report: event => {
      if (event.type === 'failed') throw event.error
    },
  })
  const pathOf = (tool: Derivation): string => store.hostPath(realized.get(tool)?.out as StorePath)
  return {
    bubblewrap: pathOf(tools.bubblewrap),
    busybox: `${pathOf(tools.busybox)}/usr/bin/busybox`,
  }
}
