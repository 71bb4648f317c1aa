import { MixosError } from '../../../graph/error.ts'
import type { Host } from '../../host.ts'
import type { Environment } from './http-client.ts'

export interface Login {
  readonly user: string
  readonly password: string
}

/** Milliseconds: a helper may ask a key ring, or the user. */
const PATIENCE = 20_000

/**
 * Asks `docker-credential-HELPER` for a registry's login, as Docker does. Undefined where it knows none.
 * Throws CACHE_DENIED where it cannot be asked.
 */
export async function askHelper(
  { processes }: Pick<Host, 'processes'>,
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
  const { code, output } = await run().catch(error => refuse((error as Error).message, error))
  if (code !== 0) return NOT_FOUND.test(output) ? undefined : refuse(output.trim().slice(0, 200))
  const { Username: user, Secret: password } = parsed(output)
  if (typeof user !== 'string' || typeof password !== 'string')
    return refuse('it answers with none')
  if (user === '<token>') return refuse('it has an identity token, which is not supported')
  return { user, password }

  function run(): Promise<{ code: number | null; output: string }> {
    return new Promise((resolve, reject) => {
      const child = processes.spawn(program, ['get'], {
        env: { ...env },
        stdio: ['pipe', 'pipe', 'ignore'],
        timeout: PATIENCE,
      })
      const chunks: Buffer[] = []
      child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
      child.on('error', reject)
      child.on('close', code => resolve({ code, output: Buffer.concat(chunks).toString() }))
      // A helper that is gone before it read says so by its exit code.
      child.stdin?.on('error', () => undefined)
      child.stdin?.end(registry)
    })
  }
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
