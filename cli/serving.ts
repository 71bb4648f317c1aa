import { option, positional, string } from 'cmd-ts'
import { countType, optional } from './args.ts'

/** What every command that serves a directory is told. */
export const servingArgs = (served: string, defaultPort: number) => ({
  directory: positional({ type: string, displayName: 'directory', description: served }),
  address: option({
    long: 'address',
    type: string,
    defaultValue: () => '127.0.0.1',
    defaultValueIsSerializable: true,
    description: 'of the interface to listen on; 0.0.0.0 for all',
  }),
  port: optional({
    long: 'port',
    type: countType('port', { least: 0 }),
    description: `to listen on; 0 for any that is free (default: ${defaultPort})`,
  }),
})
