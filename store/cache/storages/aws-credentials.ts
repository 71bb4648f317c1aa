import { join } from 'node:path'
import { MixosError } from '../../../graph/error.ts'
import type { Files } from '../../host.ts'
import { credentialsIn } from './credentials-file.ts'
import type { Environment } from './http-client.ts'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/**
 * From AWS_ACCESS_KEY_ID and its companions, else from the profile AWS_PROFILE, or `default`, of
 * `~/.aws/credentials`. Undefined where there are none. Throws CACHE_DENIED for a profile that is asked
 * for by name and not there, and for a file that cannot be read. Roles, single sign-on and the credentials of cloud machines are not looked for:
 * tools that know them can set the variables.
 */
export function awsCredentials(
  files: Pick<Files, 'read'>,
  env: Environment,
): AwsCredentials | undefined {
  const own = credentialsOf({
    aws_access_key_id: env.AWS_ACCESS_KEY_ID,
    aws_secret_access_key: env.AWS_SECRET_ACCESS_KEY,
    aws_session_token: env.AWS_SESSION_TOKEN,
  })
  if (own) return own
  const path =
    env.AWS_SHARED_CREDENTIALS_FILE || (env.HOME && join(env.HOME, '.aws', 'credentials'))
  const profile = env.AWS_PROFILE || 'default'
  const text = path ? credentialsIn(files, path) : undefined
  const found = credentialsOf(sectionOf(text ?? '', profile))
  if (found || !env.AWS_PROFILE) return found
  throw new MixosError(
    'CACHE_DENIED',
    `AWS_PROFILE is ${JSON.stringify(profile)}, of which ${path ?? '~/.aws/credentials'} has no keys`,
    { hint: 'correct or unset AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY' },
  )
}

function credentialsOf(fields: Environment): AwsCredentials | undefined {
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = fields
  if (!accessKeyId || !secretAccessKey) return undefined
  const { aws_session_token: sessionToken } = fields
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) }
}

function sectionOf(ini: string, name: string): Environment {
  const fields: Record<string, string> = {}
  let section = ''
  for (const line of ini.split('\n')) {
    section = /^\s*\[\s*([^\]]*?)\s*\]/.exec(line)?.[1] ?? section
    const [, key, value] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (section === name && key && value) fields[key.toLowerCase()] = value
  }
  return fields
}
