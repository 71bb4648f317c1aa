import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BUBBLEWRAP } from '../../store/sandbox/tools.ts'
import type { Machine } from '../../store/target/machine.ts'
import { sandboxTools } from './sandbox-tools.ts'

const run = promisify(execFile)
const PROFILE = '/mix/profiles/system/current'

/** Lets a machine in a directory take packages from a repository of this host, whose index it believes. */
export function offer({ root }: Machine, repository: string): void {
  const state = join(root, 'var/lib/mix/all')
  for (const directory of [state, join(root, 'etc/mix')]) mkdirSync(directory, { recursive: true })
  copyFileSync(join(repository, 'packages.json'), join(state, 'packages.json'))
  writeFileSync(
    join(root, 'etc/mix/repositories.json'),
    JSON.stringify([{ name: 'all', url: repository }]),
  )
}

/** The names of what a repository offers. */
export function namesIn(repository: string): string[] {
  const { packages } = JSON.parse(readFileSync(join(repository, 'packages.json'), 'utf8'))
  return packages.map(({ name }: { readonly name: string }) => name)
}

/** `mix` as it is developed, on a machine in a directory. Rejects where it fails. */
export function mixOn({ store }: Machine, ...args: readonly string[]) {
  const env = { PATH: process.env.PATH, MIX_ROOT: store.directory, NO_COLOR: '1' }
  return run(process.execPath, ['cli/mix/on-node.ts', ...args], { env })
}

/**
 * Runs a script by the shell of a machine in a directory, in a container without a network, where the machine's root is
 * `/`. Resolves with what it prints; rejects where it fails.
 */
export async function inContainer(
  { root, store }: Machine,
  script: string,
  options: readonly string[] = [],
): Promise<string> {
  const { bubblewrap } = await sandboxTools()
  const [loader = '', ...starting] = BUBBLEWRAP
  const container = [
    ...['--unshare-all', '--die-with-parent', '--uid', '0', '--gid', '0', '--clearenv'],
    ...[
      '--proc',
      '/proc',
      '--dev',
      '/dev',
      '--tmpfs',
      '/tmp',
      '--tmpfs',
      '/var',
      '--tmpfs',
      '/run',
    ],
    ...['--bind', store.directory, '/mix', '--bind', root, root],
    ...['--bind', join(root, 'etc'), '/etc', '--chdir', '/tmp'],
    ...['--bind', join(root, 'var/lib/mix'), '/var/lib/mix'],
    ...['bin', 'share'].flatMap(name => ['--symlink', `${PROFILE}/${name}`, `/${name}`]),
    ...['--symlink', `${PROFILE}/bin`, '/sbin'],
    ...['--setenv', 'PATH', '/bin', '--setenv', 'HOME', '/tmp', '--setenv', 'TERM', 'linux'],
    ...options,
  ]
  const command = [...starting, ...container, '/bin/sh', '-euc', script]
  return (await run(loader, command, { cwd: bubblewrap })).stdout
}
