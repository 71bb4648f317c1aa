import { MixosError } from '../../../graph/error.ts'
import type { Host } from '../../host.ts'
import type { Environment } from './http-client.ts'
import { outputOf } from './program-output.ts'

export type Login =
  | { readonly user: string; readonly password: string }
  /** Stands for both at the service that gives tokens, and nowhere else. */
  | { readonly identityToken: string }

/**
 * Asks `docker-credential-HELPER` for a registry's login, as Docker does. Undefined where it knows none.
 * Throws CACHE_DENIED where it cannot be asked.
 */
export async function askHelper(
  host: Pick<Host, 'processes'>,
  { helper, registry, env }: { helper: string; registry: string; env: Environment },
): Promise<Login | undefined> {
  const program = `docker-credential-${helper}`
  const refuse = (why: string, cause?: unknown): never => {
    throw new MixosError('CACHE_DENIED', `${program} gives no login for ${registry}: ${why}`, {
      hint: `try it: echo ${registry} | ${program} get`,
      cause,
    })
  }
  // The name comes from a file: it may choose a program on the path, and no other.
  if (!/^[a-zA-Z0-9._-]+$/.test(helper)) return refuse('that is no name of a helper')
  const { code, output } = await outputOf(host, [program, 'get'], { env, input: registry }).catch(
    error => refuse((error as Error).message, error),
  )
  if (code !== 0) return NOT_FOUND.test(output) ? undefined : refuse(output.trim().slice(0, 200))
  const { Username: user, Secret: password } = parsed(output)
  if (typeof user !== 'string' || typeof password !== 'string')
    return refuse('it answers with none')
  return user === '<token>' ? { identityToken: password } : { user, password }
}

// The words are part of the protocol.
const NOT_FOUND = /credentials not found in native keychain/

function parsed(text: string): { Username?: unknown; Secret?: unknown } {
  try {
    return Object(JSON.parse(text))
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}
