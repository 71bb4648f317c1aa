import { join } from 'node:path'
import { absolute, type Context } from './context.ts'
import { keysDirectory } from './keys.ts'

/** Where the keys of a repository are: `$XDG_CONFIG_HOME/mixos/keys/repository`, one file for each role. */
export function repositoryKeysDirectory(context: Context, named: string | undefined): string {
  return named === undefined
    ? join(keysDirectory(context), 'repository')
    : absolute(named, context.directory)
}
