import { MixosError } from '../../../graph/error.ts'
import type { Host } from '../../host.ts'
import { processCredentials } from './aws-process.ts'
import { type AwsProfile, awsProfile } from './aws-profile.ts'
import type { Environment } from './http-client.ts'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** Gives them as they are now: some last for an hour. */
export type AwsCredentialSource = () => Promise<AwsCredentials>

/**
 * From AWS_ACCESS_KEY_ID and its companions, else from the profile: its keys, or its `credential_process`. Undefined where
 * there are none. Throws CACHE_DENIED for a profile that is asked for by name and has none, for a file that cannot be read, and
 * for settings that want another way: roles, single sign-on, and the credentials of containers. The credentials of
 * cloud machines are not looked for, since that takes asking the network.
 */
export function awsCredentials(
  host: Pick<Host, 'files' | 'processes' | 'now'>,
  env: Environment,
): AwsCredentialSource | undefined {
  const own = keysOf({
    aws_access_key_id: env.AWS_ACCESS_KEY_ID,
    aws_secret_access_key: env.AWS_SECRET_ACCESS_KEY,
    aws_session_token: env.AWS_SESSION_TOKEN,
  })
  if (own) return async () => own
  const profile = awsProfile(host.files, env)
  const { name, fields, paths } = profile
  // Its keys are those that the role is asked for with.
  if (fields.role_arn) throw unsupported('role_arn', profile)
  const keys = keysOf(fields)
  if (keys) return async () => keys
  const { credential_process: command } = fields
  if (command) return processCredentials(host, { command, profile: name, env })
  const setting = UNSUPPORTED.find(setting => fields[setting])
  if (setting) throw unsupported(setting, profile)
  if (env.AWS_PROFILE) throw missing(name, paths)
  const variable = OF_CONTAINERS.find(variable => env[variable])
  if (variable) throw unsupported(variable)
  return undefined
}

const UNSUPPORTED = ['web_identity_token_file', 'sso_session', 'sso_start_url', 'login_session']
const OF_CONTAINERS = [
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
]

function keysOf(fields: Environment): AwsCredentials | undefined {
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = fields
  if (!accessKeyId || !secretAccessKey) return undefined
  const { aws_session_token: sessionToken } = fields
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) }
}

function unsupported(setting: string, profile?: AwsProfile): MixosError {
  const where = profile ? `the AWS profile ${JSON.stringify(profile.name)} has` : 'there is'
  const option = profile ? ` --profile ${profile.name}` : ''
  return new MixosError('CACHE_DENIED', `${where} ${setting}, which is not supported`, {
    hint: `have the AWS CLI set the keys: eval "$(aws configure export-credentials${option} --format env)"`,
  })
}

function missing(name: string, paths: readonly string[]): MixosError {
  const where =
    paths.length > 0 ? `of which ${paths.join(' and ')} have no keys` : 'and HOME is not set'
  return new MixosError('CACHE_DENIED', `AWS_PROFILE is ${JSON.stringify(name)}, ${where}`, {
    hint: 'correct or unset AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  })
}
