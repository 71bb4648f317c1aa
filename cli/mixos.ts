import { VERSION } from '../graph/release.ts'
import type { Program } from './command-line.ts'
import { type Context, homeOf, project } from './context.ts'
import { runProgram } from './program.ts'
import { strayRecipeError } from './recipe-error.ts'
import { workingDirectory } from './working-directory.ts'

/** The developer's program. */
const mixos: Program<Context> = {
  name: 'mixos',
  version: VERSION,
  description: 'builds a minimal Linux distribution as one reproducible build graph',
  commands: {
    realize: async context => (await import('./commands/realize.ts')).realize(context),
    graph: async context => (await import('./commands/graph.ts')).graph(context),
    explain: async context => (await import('./commands/explain.ts')).explain(context),
    'why-depends': async context => (await import('./commands/why-depends.ts')).whyDepends(context),
    closure: async context => (await import('./commands/closure.ts')).closure(context),
    log: async context => (await import('./commands/log.ts')).log(context),
    verify: async context => (await import('./commands/verify.ts')).verify(context),
    gc: async context => (await import('./commands/gc.ts')).gc(context),
    roots: async context => (await import('./commands/roots.ts')).roots(context),
    lock: async context => (await import('./commands/lock.ts')).lock(context),
    cache: async context => (await import('./commands/cache.ts')).cache(context),
    repo: async context => (await import('./commands/repo.ts')).repo(context),
    boot: async context => (await import('./commands/boot.ts')).boot(context),
  },
  examples: [
    { description: 'build the image and all it is made from', command: 'mixos realize iso' },
    { description: 'see what that would take', command: 'mixos realize iso --dry-run' },
    { description: 'start it in a virtual machine', command: 'mixos boot' },
  ],
  hints: {
    CANCELLED: 'the next run goes on',
    DISK_FULL: 'free space with: mixos gc; or set MIXOS_HOME to a directory on a larger disk',
    RECORD_INVALID:
      'delete the file, if it is there: then the object is made again by mixos realize',
    STORE_FOREIGN: 'set MIXOS_HOME to an empty directory, or to one that does not exist yet',
    STORE_READ_ONLY: 'make it writable for this user, or set MIXOS_HOME to another directory',
  },
  explain: (error, { recipeFiles }) => strayRecipeError(error, recipeFiles),
}

export async function main(): Promise<never> {
  return runProgram(mixos, ({ signal, reporter }) => {
    const directory = workingDirectory()
    return {
      directory,
      project,
      home: homeOf(process.env, directory),
      environment: process.env,
      signal,
      report: reporter.event,
      recipeFiles: new Map(),
      takeTerminal: note => {
        reporter.close()
        reporter.note(note)
      },
    }
  })
}

// `node cli/mixos.ts` works as well, only slower to start than launch.js, which says why.
if (import.meta.main) await main()
