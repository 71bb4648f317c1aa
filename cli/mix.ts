import { MixosError } from '../graph/error.ts'
import { VERSION } from '../graph/release.ts'
import { isForbidden, reasonOf } from '../store/disk/system-error.ts'
import type { Host } from '../store/host.ts'
import type { Program } from './command-line.ts'
import { type MixContext, rootOf } from './mix/context.ts'
import { runProgram } from './program.ts'
import { workingDirectory } from './working-directory.ts'

/**
 * Those that add to the store, or take from it. Going back does neither, and works without the programs of the system.
 */
const CHANGING = new Set(['install', 'remove', 'upgrade', 'gc'])
const isChanging = (command: string, options: readonly string[]): boolean =>
  command === 'verify'
    ? options.includes('--repair')
    : CHANGING.has(command) && !options.includes('--dry-run')

/** The target's program. */
const mix: Program<MixContext> = {
  name: 'mix',
  version: VERSION,
  description: 'installs, upgrades and removes packages, and goes back',
  commands: {
    update: async context => (await import('./mix/update.ts')).update(context),
    search: async context => (await import('./mix/search.ts')).search(context),
    install: async context => (await import('./mix/install.ts')).install(context),
    remove: async context => (await import('./mix/remove.ts')).remove(context),
    upgrade: async context => (await import('./mix/upgrade.ts')).upgrade(context),
    list: async context => (await import('./mix/list.ts')).list(context),
    info: async context => (await import('./mix/info.ts')).info(context),
    files: async context => (await import('./mix/files.ts')).files(context),
    owner: async context => (await import('./mix/owner.ts')).owner(context),
    why: async context => (await import('./mix/why.ts')).why(context),
    rollback: async context => (await import('./mix/rollback.ts')).rollback(context),
    recover: async context => (await import('./mix/recover.ts')).recover(context),
    generations: async context => (await import('./mix/generations.ts')).generations(context),
    history: async context => (await import('./mix/history.ts')).history(context),
    gc: async context => (await import('./mix/gc.ts')).gc(context),
    service: async context => (await import('./mix/service.ts')).service(context),
    verify: async context => (await import('./mix/verify.ts')).verify(context),
  },
  examples: [
    { description: 'a server to log in to', command: 'mix update && mix install openssh' },
    { description: 'undo the last change', command: 'mix rollback' },
  ],
  hints: {
    DISK_FULL: 'nothing is half done; free space with: mix gc',
    RECORD_INVALID: 'repair it with: mix verify --repair',
    STORE_READ_ONLY: 'run it as root',
  },
  explain: (error, { host }) =>
    host.processes.uid !== 0 && isForbidden(error)
      ? new MixosError('FILE_UNAVAILABLE', `only root can do that: ${reasonOf(error)}`, {
          hint: 'run it as root',
        })
      : undefined,
  elsewhere: async context => {
    const [command = '', ...options] = context.argv
    if (!isChanging(command, options)) return undefined
    return (await import('./mix/writable-store.ts')).rerunWithWritableStore(context)
  },
}

/** `host` is that of the runtime: see mix/on-bun.ts and mix/on-node.ts. */
export async function main(host: Host): Promise<never> {
  return runProgram(mix, ({ signal, reporter }) => {
    const directory = workingDirectory()
    return {
      directory,
      root: rootOf(process.env, directory),
      environment: process.env,
      argv: process.argv.slice(2),
      host,
      signal,
      report: reporter.event,
      confirm: async lines => {
        const { confirm } = await import('./question.ts')
        return confirm(lines, { input: process.stdin, output: process.stderr, signal })
      },
    }
  })
}
