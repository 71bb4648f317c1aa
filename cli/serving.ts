import { positional, string, type Type } from 'cmd-ts'
import { countType, optional } from './args.ts'

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
    type: countType('port', { least: 0 }),
    description: `to listen on; 0 for any that is free (default: ${defaultPort})`,
  }),
})
