import { join } from 'node:path'
import type { Files } from '../../host.ts'
import { credentialsIn } from './credentials-file.ts'
import type { Environment } from './http-client.ts'

export interface AwsProfile {
  readonly name: string
  /** By lower-case name. */
  readonly fields: Environment
  /** Where they were looked for. */
  readonly paths: readonly string[]
}

/**
 * What is set for the profile AWS_PROFILE, or `default`: in `~/.aws/config` or $AWS_CONFIG_FILE, and before it in
 * `~/.aws/credentials` or $AWS_SHARED_CREDENTIALS_FILE. Throws CACHE_DENIED for a file that cannot be read.
 */
export function awsProfile(files: Pick<Files, 'read'>, env: Environment): AwsProfile {
  const name = env.AWS_PROFILE || 'default'
  const inHome = (file: string): string | undefined => env.HOME && join(env.HOME, '.aws', file)
  const config = env.AWS_CONFIG_FILE || inHome('config')
  const shared = env.AWS_SHARED_CREDENTIALS_FILE || inHome('credentials')
  const sections = (path: string | undefined): ReadonlyMap<string, Environment> =>
    sectionsIn((path && credentialsIn(files, path)) || '')
  const configured = sections(config)
  return {
    name,
    fields: {
      // The one profile that has a second name.
      ...(name === 'default' && configured.get('default')),
      ...configured.get(`profile ${name}`),
      ...sections(shared).get(name),
    },
    paths: [shared, config].filter((path): path is string => Boolean(path)),
  }
}

/** The environment, with the profile's region and endpoint where it has none. */
export function awsEnvironment(files: Pick<Files, 'read'>, env: Environment): Environment {
  const { region, endpoint_url } = awsProfile(files, env).fields
  return {
    ...env,
    AWS_DEFAULT_REGION: env.AWS_DEFAULT_REGION || region,
    AWS_ENDPOINT_URL: env.AWS_ENDPOINT_URL || endpoint_url,
  }
}

function sectionsIn(text: string): ReadonlyMap<string, Environment> {
  const sections = new Map<string, Record<string, string>>()
  let fields: Record<string, string> = {}
  let depth = Number.POSITIVE_INFINITY
  for (const line of text.split('\n')) {
    const section = /^\s*\[\s*(?<name>[^\]]*?)\s*\]/.exec(line)?.groups?.name
    if (section !== undefined) {
      const name = section.replace(/^profile\s+/, 'profile ').replaceAll(/["']/g, '')
      fields = { ...sections.get(name) }
      sections.set(name, fields)
      depth = Number.POSITIVE_INFINITY
    }
    const [, indent = '', key, value] = /^(\s*)(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    // What is indented further is of the field above.
    if (!key || indent.length > depth) continue
    depth = indent.length
    if (value) fields[key.toLowerCase()] = value
  }
  return sections
}
