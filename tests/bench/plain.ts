// Run by hand: node tests/bench/plain.ts NAME... What the engine adds to the plain tools:
// the last step of a package, built again by mixos, beside the same builder with the same
// inputs in a bare bubblewrap, in turns. Whatever the step is made from is realized first.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { homeOf, project } from '../../cli/context.ts'
import { live } from '../../configs/systems/live.ts'
import { definitions } from '../../derivations/index.ts'
import { bootstrap } from '../../derivations/seeds/bootstrap.ts'
import type { Derivation } from '../../graph/derivation.ts'
import { hashDerivation } from '../../graph/hash.ts'
import { parseLock } from '../../graph/lock.ts'
import { packageSet } from '../../graph/package-set.ts'
import { absolute, type StorePath } from '../../graph/store-path.ts'
import { removeTree } from '../../store/disk/remove.ts'
import { machineMirrors, withArchive } from '../../store/fetch/mirrors.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { objectClosure } from '../../store/object-closure.ts'
import { realize } from '../../store/realize.ts'
import { BUBBLEWRAP } from '../../store/sandbox/tools.ts'
import { openStore } from '../../store/store.ts'

const TURNS = 2
const CORES = 2

const lock = parseLock(readFileSync(join(project, 'flake-free.lock'), 'utf8'))
const packages = packageSet(definitions({ lock, system: live() }))
const tools = bootstrap(lock)
const store = openStore({ directory: homeOf(process.env, project), host: nodeHost })
const options = {
  tools,
  mirrors: withArchive(machineMirrors(nodeHost, process.env), lock),
  jobs: 1,
  cores: CORES,
  signal: new AbortController().signal,
  report: () => undefined,
}

for (const name of process.argv.slice(2)) {
  const drv = packages.get(name)
  await realize(store, [drv, tools.bubblewrap], options)
  for (let turn = 1; turn <= TURNS; turn++) {
    const plain = await secondsOf(() => build(drv))
    const engine = await secondsOf(() => realize(store, [drv], { ...options, check: true }))
    console.log(
      `${name}: plain ${plain.toFixed(2)} s, mixos ${engine.toFixed(2)} s: ${(engine / plain).toFixed(3)} x`,
    )
  }
}

async function secondsOf(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

/** With the same paths inside as mixos has, and nothing but namespaces around it. */
function build(drv: Derivation): void {
  const directory = mkdtempSync(join(store.layout.scratch, 'plain-'))
  try {
    const at = (name: string): string => {
      mkdirSync(join(directory, name))
      return join(directory, name)
    }
    const inputs = Object.entries(drv.inputs).map(
      ([slot, input]) => [slot, outputOf(input.derivation, input.output)] as const,
    )
    const root = inputs.find(([slot]) => slot === 'root')?.[1]
    if (!root) throw new Error(`${drv.name} has no root`)
    const variables = {
      ...{ PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/homeless', TMPDIR: '/build' },
      ...{ SOURCE_DATE_EPOCH: '315532800', TZ: 'UTC', LC_ALL: 'C', BUILD_CORES: String(CORES) },
      ...drv.env,
      ...Object.fromEntries(inputs.map(([slot, path]) => [slot, absolute(path)])),
      ...Object.fromEntries(
        drv.outputs.map(name => [name, `/mix/store/${'0'.repeat(32)}-${drv.name}-${name}`]),
      ),
    }
    const hidden = new Set(['dev', 'proc', 'tmp', 'build', 'mix'])
    const seen = nodeHost.files.list(store.hostPath(root)).filter(name => !hidden.has(name))
    const closure = objectClosure(
      store,
      inputs.map(([, path]) => path),
    )
    const bubblewrap = store.hostPath(outputOf(tools.bubblewrap, 'out'))
    execFileSync(
      BUBBLEWRAP[0] as string,
      [
        ...BUBBLEWRAP.slice(1),
        ...['--unshare-user', '--uid', '1000', '--gid', '100', '--clearenv'],
        ...seen.flatMap(name => ['--ro-bind', join(store.hostPath(root), name), `/${name}`]),
        ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
        ...['--bind', at('build'), '/build', '--bind', at('store'), '/mix/store'],
        ...[...closure].flatMap(path => ['--ro-bind', store.hostPath(path), absolute(path)]),
        ...Object.entries(variables).flatMap(([name, value]) => ['--setenv', name, value]),
        ...['--chdir', '/build', '--', ...drv.builder],
      ],
      { cwd: bubblewrap, stdio: 'ignore' },
    )
  } finally {
    removeTree(nodeHost, directory)
  }
}

function outputOf(drv: Derivation, output: string): StorePath {
  return store.trace(hashDerivation(drv))?.outputs[output] as StorePath
}
