import { MixosError } from '../../../graph/error.ts'
import type { Host } from '../../host.ts'
import type { AwsCredentialSource, AwsCredentials } from './aws-credentials.ts'
import type { Environment } from './http-client.ts'
import { outputOf } from './program-output.ts'

interface Answer {
  readonly keys: AwsCredentials
  /** Milliseconds since the epoch. */
  readonly until: number
}

/** Milliseconds before keys expire in which new ones are asked for: a request takes a while. */
const EARLY = 120_000

/**
 * The keys that a profile's `credential_process` prints, which is run by the shell when they are first needed, and again before
 * they expire. Rejects with CACHE_DENIED where it fails or prints something else.
 */
export function processCredentials(
  host: Pick<Host, 'processes' | 'now'>,
  { command, profile, env }: { command: string; profile: string; env: Environment },
): AwsCredentialSource {
  let last: Promise<Answer> | undefined
  return async () => {
    // Of many who need new ones at once, the first one asks for all.
    const before = last
    const known = await before
    if (known && known.until > host.now()) return known.keys
    if (last === before) last = ask()
    return (await (last as Promise<Answer>)).keys
  }

  async function ask(): Promise<Answer> {
    const { code, output } = await outputOf(host, ['sh', '-c', command], { env })
    if (code !== 0) throw failed(`ends with ${code === null ? 'a signal' : `exit code ${code}`}`)
    const answer = answerIn(output)
    if (!answer) throw failed('prints no keys')
    return answer
  }

  function failed(why: string): MixosError {
    const name = JSON.stringify(profile)
    return new MixosError(
      'CACHE_DENIED',
      `the AWS profile ${name}: its credential_process ${why}`,
      {
        hint: `try it: ${command}`,
      },
    )
  }
}

function answerIn(text: string): Answer | undefined {
  const { Version, AccessKeyId, SecretAccessKey, SessionToken, Expiration } = parsed(text)
  if (Version !== 1 || typeof AccessKeyId !== 'string' || typeof SecretAccessKey !== 'string')
    return undefined
  const until =
    typeof Expiration === 'string' ? Date.parse(Expiration) - EARLY : Number.POSITIVE_INFINITY
  const keys = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey }
  return {
    keys: typeof SessionToken === 'string' ? { ...keys, sessionToken: SessionToken } : keys,
    until,
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text))
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}
