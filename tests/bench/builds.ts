// Run by hand: node tests/bench/builds.ts [STEPS…]
// What a step costs: trivial builds in sandboxes of their own, two at a time, into an empty store; beside the same
// programs in plain sandboxes, which a shell starts and of which nothing is kept.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootstrap } from '../../derivations/seeds/bootstrap.ts'
import { type Derivation, derivation } from '../../graph/derivation.ts'
import { parseLock } from '../../graph/lock.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { removeTree } from '../../store/disk/remove.ts'
import { machineMirrors } from '../../store/fetch/mirrors.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { realize } from '../../store/realize.ts'
import { BUBBLEWRAP } from '../../store/sandbox/tools.ts'
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

async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await action()
  return (performance.now() - start) / 1000
}

const seconds = (time: number): string => `${time.toFixed(2)} s`

/** Runs that many, two at a time, with the namespaces and mounts of a build. */
function plainSandboxes({
  busybox,
  bubblewrap,
  directory,
}: {
  busybox: string
  bubblewrap: string | undefined
  directory: string
}): (count: number) => void {
  const [build, objects] = ['build', 'objects'].map(name => join(directory, 'tmp', name))
  for (const path of [build, objects]) mkdirSync(path ?? '')
  const mounts = `--proc /proc --dev /dev --tmpfs /dev/shm --tmpfs /tmp --ro-bind /etc /etc --bind ${build} /build --dir /mix --bind ${objects} /mix/store --ro-bind ${busybox} /mix/store/busybox --remount-ro /`
  const sandbox = `${BUBBLEWRAP.join(' ')} --unshare-all --die-with-parent --new-session --uid 1000 --gid 100 --cap-drop ALL ${mounts}`
  return count => {
    const each = `${sandbox} /mix/store/busybox sh -c 'echo "$0" >"/build/$0"'`
    execFileSync(busybox, ['xargs', '-P', '2', '-n', '1', busybox, 'sh', '-c', `${each} "$0"`], {
      cwd: bubblewrap,
      input: Array.from({ length: count }, (_, number) => number).join('\n'),
    })
  }
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
  const realized = await realize(store, [tools.busybox, tools.bubblewrap], options)
  const [busybox, bubblewrap] = [tools.busybox, tools.bubblewrap].map(drv =>
    store.hostPath(realized.get(drv)?.out as StorePath),
  )
  const plain = plainSandboxes({ busybox: `${busybox}/usr/bin/busybox`, bubblewrap, directory })
  const steps = Array.from({ length: count }, (_, number) => step(number))
  const floor = await timed(async () => plain(count))
  const built = await timed(() => realize(store, steps, options))
  console.log(`${count} plain sandboxes: ${seconds(floor)}`)
  console.log(`${count} steps, built: ${seconds(built)}, ${(built / floor).toFixed(2)} x`)
  console.log(
    `${count} steps, nothing to do: ${seconds(await timed(() => realize(store, steps, options)))}`,
  )
  console.log(`peak memory: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`)
  removeTree(nodeHost, directory)
}

const counts = process.argv.slice(2).map(Number)
for (const count of counts.length > 0 ? counts : [500, 2000]) await measure(count)
