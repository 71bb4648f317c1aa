import { subcommands } from 'cmd-ts'

type Config = Parameters<typeof subcommands>[0]
export type Command = Config['cmds'][string]
export type Group = ReturnType<typeof group>

/** A command made of others, which it still tells of: what cmd-ts makes of them does not. */
export function group(config: Config) {
  return { ...subcommands(config), cmds: config.cmds }
}
