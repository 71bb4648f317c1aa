import { isAbsolute, join } from 'node:path'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Where the user's settings are: `$XDG_CONFIG_HOME/mixos`, else `~/.config/mixos`; undefined for a user without a home.
 * A relative path in that variable is ignored, as the XDG base directory specification has it.
 */
export function userSettingsDirectory({ XDG_CONFIG_HOME, HOME }: Environment): string | undefined {
  const isSet = XDG_CONFIG_HOME !== undefined && isAbsolute(XDG_CONFIG_HOME)
  const base = isSet ? XDG_CONFIG_HOME : HOME && join(HOME, '.config')
  return base ? join(base, 'mixos') : undefined
}
