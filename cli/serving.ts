import { positional, string } from 'cmd-ts'
import { countType, optional, Path } from './args.ts'

export const LOOPBACK = '127.0.0.1'

/** What every command that serves a directory is told. */
export const servingArgs = (served: string, defaultPort: number) => ({
  directory: positional({ type: string, displayName: 'directory', description: served }),
  address: optional({
    long: 'address',
    type: { ...Path, displayName: 'address' },
    description: `of the interface to listen on; 0.0.0.0 for all (default: ${LOOPBACK})`,
  }),
  port: optional({
    long: 'port',
    type: countType('port', { least: 0 }),
    description: `to listen on; 0 for any that is free (default: ${defaultPort})`,
  }),
})
