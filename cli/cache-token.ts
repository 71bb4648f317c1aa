import { MixosError } from '../graph/error.ts'
import type { Environment } from './context.ts'

/** Holds the token of the one cache that a command is about, and of the one that is served. */
export const TOKEN_VARIABLE = 'MIXOS_CACHE_TOKEN'

/** Undefined where the variable is not set, or empty. Throws SETTINGS_INVALID, naming it, for what cannot be sent. */
export function tokenIn(environment: Environment, variable: string): string | undefined {
  const token = environment[variable]
  if (!token) return undefined
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new MixosError(
    'SETTINGS_INVALID',
    `${variable}: a token is printable characters without spaces`,
    { hint: 'is there a newline in it, or are there quotes around it?' },
  )
}
