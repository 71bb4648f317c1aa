// Run by hand: node tests/bench/builds.ts [STEPS…]
// What a step costs: trivial builds in sandboxes of their own, two at a time, into an empty store.
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootstrap } from '../../derivations/seeds/bootstrap.ts'
import { type Derivation, derivation } from '../../graph/derivation.ts'
import { parseLock } from '../../graph/lock.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { machineMirrors } from '../../store/mirrors.ts'
import { realize } from '../../store/realize.ts'
import { removeTree } from '../../store/remove.ts'
import { openStore } from '../../store/store.ts'

const tools = bootstrap(parseLock(readFileSync('flake-free.lock', 'utf8')))

const step = (number: number): Derivation =>
  derivation({
    name: `step-${number}`,
    version: '1',
    builder: ['busybox/usr/bin/busybox', 'sh', '-c', 'echo "$number" >"$out"'],
    env: { number: String(number) },
    inputs: { busybox: tools.busybox },
  })

async function timed(action: () => Promise<unknown>): Promise<string> {
  const start = performance.now()
  await action()
  return `${((performance.now() - start) / 1000).toFixed(2)} s`
}

async function measure(count: number): Promise<void> {
  const directory = mkdtempSync(join(process.env.MIXOS_BENCH ?? tmpdir(), 'mixos-bench-'))
  const store = openStore({ directory, host: nodeHost })
  const options = {
    tools,
    mirrors: machineMirrors(nodeHost, process.env),
    jobs: 2,
    cores: 2,
    signal: new AbortController().signal,
    report: () => undefined,
  }
  await realize(store, [tools.busybox, tools.bubblewrap], options)
  const steps = Array.from({ length: count }, (_, number) => step(number))
  console.log(`${count} steps, built: ${await timed(() => realize(store, steps, options))}`)
  console.log(`${count} steps, nothing to do: ${await timed(() => realize(store, steps, options))}`)
  console.log(`peak memory: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`)
  removeTree(nodeHost, directory)
}

const counts = process.argv.slice(2).map(Number)
for (const count of counts.length > 0 ? counts : [500, 2000]) await measure(count)
