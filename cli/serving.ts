import { setFlagsFromString } from 'node:v8'
import { flag, positional, string, type Type } from 'cmd-ts'
import type { Answered } from '../store/cache/serve.ts'
import { countType, optional } from './args.ts'
import type { Context } from './context.ts'

export const LOOPBACK = '127.0.0.1'

// Whether it is one is for the operating system to say.
const Address: Type<string, string> = {
  displayName: 'address',
  async from(text) {
    if (text !== '') return text
    throw new Error('it is empty')
  },
}

/** What every command that serves a directory is told. */
export const servingArgs = (served: string, defaultPort: number) => ({
  directory: positional({ type: string, displayName: 'directory', description: served }),
  address: optional({
    long: 'address',
    type: Address,
    description: `of the interface to listen on; 0.0.0.0 for all (default: ${LOOPBACK})`,
  }),
  port: optional({
    long: 'port',
    type: countType('port', { least: 0, most: 65_535 }),
    description: `to listen on; 0 for any that is free (default: ${defaultPort})`,
  }),
  verbose: flag({ long: 'verbose', description: 'tell of each request' }),
})

/** A line for each answer that was given. */
export function requestLog({ report }: Context): (request: Answered) => void {
  return answered => report({ type: 'answered', ...answered })
}

/**
 * Keeps the space for young objects as small as it is at the start of the process.
 * V8 would let it grow with the garbage of thousands of small answers a second: a
 * server of 16 connections took 256 MB, and so takes 156, at the same speed.
 */
export function saveMemory(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
