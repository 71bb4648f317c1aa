import type { Host } from '../store/host.ts'
import type { Program } from './command-line.ts'
import { type MixContext, rootOf } from './mix/context.ts'
import { runProgram } from './program.ts'

/** The target's program. */
const mix: Program<MixContext> = {
  name: 'mix',
  version: '0.1.0',
  description: 'installs, upgrades and removes packages, and goes back',
  commands: {
    verify: async context => (await import('./mix/verify.ts')).verify(context),
  },
  examples: [{ description: 'is everything here as it was built?', command: 'mix verify' }],
}

/** `host` is that of the runtime: see mix/on-bun.ts and mix/on-node.ts. */
export async function main(host: Host): Promise<never> {
  return runProgram(mix, ({ signal, reporter }) => ({
    directory: process.cwd(),
    root: rootOf(process.env, process.cwd()),
    environment: process.env,
    host,
    signal,
    report: reporter.event,
  }))
}
