// Run by hand: node tests/bench/mix.ts What mix costs on a machine without
// emulation: start, memory, an installation beside tar, and what an upgrade fetches.
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { homeOf, project } from '../../cli/context.ts'
import { formatPackageInfo, packageInfoPath, parsePackageInfo } from '../../graph/package-info.ts'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { makeRepository } from '../../store/builtins/repository.ts'
import { removeTree } from '../../store/disk/remove.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { objectClosure } from '../../store/object-closure.ts'
import { openStore } from '../../store/store.ts'
import { inContainer, mixOn, offer } from '../helpers/container.ts'
import { machineIn } from '../helpers/target-machine.ts'
import { filesStep } from '../helpers/temp-store.ts'

const { stdout } = await promisify(execFile)(
  process.execPath,
  ['cli/mixos.ts', 'realize', 'repository', 'mix'],
  { cwd: project },
)
const [repository = '', mix = ''] = stdout.trim().split('\n')
const home = homeOf(process.env, project)
const store = openStore({ directory: home, host: nodeHost })
const scratch = mkdtempSync(join(home, 'tmp', 'bench-'))
try {
  const machine = await machineIn(join(scratch, 'machine'), async () => [])
  offer(machine, repository)
  await mixOn(machine, 'install', '--yes', 'busybox', 'base-files', 'musl', 'less')
  const bound = ['--ro-bind', mix, `/mix/store/${basename(mix)}`, '--ro-bind', scratch, scratch]
  const repositoryBound = ['--ro-bind', repository, repository]
  const inside = (script: string, more: readonly string[] = []): Promise<string> =>
    inContainer(machine, script, [...bound, ...more])
  const program = `/mix/store/${basename(mix)}/bin/mix`

  for (const command of ['--version', 'list', 'info openssh']) {
    const times = `for i in 1 2 3 4 5 6 7 8 9; do a=$EPOCHREALTIME; ${program} ${command} >/dev/null; b=$EPOCHREALTIME; echo "$a $b"; done`
    const all = (await inside(times))
      .trim()
      .split('\n')
      .map(line => {
        const [from = 0, to = 0] = line.split(' ').map(Number)
        return (to - from) * 1000
      })
    const [median = 0] = all.toSorted((a, b) => a - b).slice(4)
    const memory = await inside(`time -v ${program} ${command} 2>&1 >/dev/null | grep Maximum`)
    console.log(`mix ${command}: median ${median.toFixed(0)} ms, ${kilobytes(memory)} kB resident`)
  }

  const before = new Set(machine.store.paths())
  const wanted = store.paths().filter(path => /-openssh-[0-9]/.test(path))
  const offered = JSON.parse(
    nodeHost.files.read(join(repository, 'packages.json'))?.toString() ?? '',
  )
  const openssh = wanted.find(path => JSON.stringify(offered).includes(path)) as StorePath
  const missing = [...objectClosure(store, [openssh])].filter(path => !before.has(path))
  const archive = join(scratch, 'openssh.tar')
  execFileSync('tar', ['-cf', archive, '-C', join(home, 'store'), ...missing])
  const measured = await inside(
    `mkdir /mix/tmp/tar; a=$EPOCHREALTIME; tar -xf ${archive} -C /mix/tmp/tar; sync; b=$EPOCHREALTIME; time -v ${program} install openssh --yes >/dev/null 2>/tmp/said; c=$EPOCHREALTIME; grep Maximum /tmp/said; echo "$a $b $c"; chmod -R u+w /mix/tmp/tar; rm -r /mix/tmp/tar`,
    repositoryBound,
  )
  const [a = 0, b = 0, c = 0] = (measured.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  console.log(
    `install openssh: ${missing.length} objects in ${((c - b) * 1000).toFixed(0)} ms, tar and sync ${((b - a) * 1000).toFixed(0)} ms:`,
    `${((c - b) / (b - a)).toFixed(2)} x, ${kilobytes(measured)} kB resident`,
  )

  await mixOn(machine, 'install', '--yes', 'nginx')
  const nginx = machine.store.paths().find(path => /-nginx-/.test(path)) as StorePath
  const changed = join(scratch, 'nginx')
  cpSync(join(home, 'store', nginx), changed, { recursive: true, verbatimSymlinks: true })
  execFileSync('chmod', ['-R', 'u+w', changed])
  const at = join(changed, packageInfoPath('nginx'))
  const info = parsePackageInfo(JSON.parse(nodeHost.files.read(at)?.toString() ?? ''), at)
  writeFileSync(at, formatPackageInfo({ ...info, version: '99' }))
  const closure = objectClosure(store, [nginx])
  const candidates = new Map([...closure].map(path => [digestOfPath(path), path]))
  const newer = await store.add({
    source: changed,
    label: 'nginx-99',
    candidates,
    maker: 'the bench',
  })
  const target = join(scratch, 'repository')
  await makeRepository({
    ...{ store, inputs: { nginx: newer }, target, mirrors: {} },
    ...{ derivation: filesStep('repository', {}), signal: new AbortController().signal },
    onProgress: () => undefined,
    warn: () => undefined,
    log: () => undefined,
  })
  offer(machine, target)
  const upgraded = JSON.parse((await mixOn(machine, 'upgrade', '--yes', '--json')).stdout)
  const size = store.head(newer)?.size ?? 0
  console.log(
    `upgrade of nginx with one small file changed: ${upgraded.bytes} of ${size} bytes fetched, ${((100 * upgraded.bytes) / size).toFixed(2)} %`,
  )

  for (const command of [
    ...['update', 'search server', 'list --outdated', 'files nginx', 'owner /bin/ls', 'why pcre2'],
    ...[
      'install --dry-run git',
      'upgrade --dry-run',
      'generations',
      'history',
      'rollback',
      'verify',
    ],
    ...['gc --dry-run', 'gc'],
  ]) {
    const memory = await inside(
      `time -v ${program} ${command} 2>&1 >/dev/null | grep Maximum`,
      repositoryBound,
    )
    console.log(`mix ${command}: ${kilobytes(memory)} kB resident`)
  }
} finally {
  chmodSync(scratch, 0o755)
  removeTree(nodeHost, scratch)
  rmSync(scratch, { recursive: true, force: true })
}

function kilobytes(text: string): string {
  return /\): (\d+)/.exec(text)?.[1] ?? '?'
}
