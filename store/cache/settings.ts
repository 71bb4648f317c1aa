import { dirname } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { didYouMean } from '../../graph/nearest.ts'
import { pathLock } from '../disk/path-lock.ts'
import { writeDurably } from '../disk/write.ts'
import type { Host } from '../host.ts'
import type { PublicKey } from './keys.ts'
import { type TrustPolicy, trustPolicy } from './policy.ts'
import {
  checkedAddress,
  type Environment,
  formatUserFile,
  identityOf,
  isAddress,
  NO_SETTINGS,
  projectFile,
  readProjectFile,
  readUserFile,
  type UserCache,
  type UserSettings,
  userFile,
  withoutPassword,
} from './settings-file.ts'

/** A cache to ask, and whom to believe there. */
export interface CacheSetting {
  readonly address: string
  /** Lower is asked first. */
  readonly priority: number
  readonly policy: TrustPolicy
  /** Of the environment, by the user's settings: holds the token without which this web server gives nothing. */
  readonly tokenVariable?: string
  /** Who named it. What a project names may be anyone's: it should not be shown the user's credentials. */
  readonly source: 'command line' | 'user' | 'project'
}

export interface SettingsWarning {
  readonly message: string
  readonly hint: string
}

export interface CacheSettings {
  /** By priority; equal ones as they stand in their files, the user's before the project's. */
  readonly caches: readonly CacheSetting[]
  /** One for each cache that was left out. */
  readonly warnings: readonly SettingsWarning[]
}

export interface SettingsOptions {
  readonly environment: Environment
  /** The directory that holds `configs/caches.json`. */
  readonly project?: string
  /** As given by `--cache`. */
  readonly addresses?: readonly string[]
}

/** Before all that a file can say. */
const FIRST = -1

/**
 * The caches of the command line, of `$XDG_CONFIG_HOME/mixos/caches.json` and of the project. A cache that
 * several name is asked once, as the first of them has it; the user's rules for it hold whoever names it.
 * Throws SETTINGS_INVALID, or KEY_INVALID for a key, naming the file, the field and its value, and BAD_ARGUMENT for an
 * address of the command line.
 */
export function cacheSettings(host: Host, options: SettingsOptions): CacheSettings {
  const { environment, project, addresses = [] } = options
  const user = userSettings(host, environment)
  const byProject = project === undefined ? [] : readProjectFile(host, projectFile(project))
  const named = new Map<string, Pick<CacheSetting, 'address' | 'priority' | 'source'>>()
  const add = (source: CacheSetting['source'], address: string, priority: number): void => {
    const identity = identityOf(address)
    if (!named.has(identity)) named.set(identity, { address, priority, source })
  }
  for (const address of addresses) add('command line', parsedAddress(address), FIRST)
  for (const { address, priority } of user.caches) add('user', address, priority)
  for (const { address, priority } of byProject) add('project', address, priority)

  const rules = new Map(user.caches.map(cache => [identityOf(cache.address), cache]))
  // What a project names must not be believed more easily than what the user has named.
  const strictest = Math.max(user.threshold, ...user.caches.map(({ threshold }) => threshold))
  const caches: CacheSetting[] = []
  const warnings: SettingsWarning[] = []
  for (const [identity, cache] of named) {
    const rule = rules.get(identity)
    const threshold = rule?.threshold ?? (cache.source === 'project' ? strictest : user.threshold)
    const policy = rule ? rule.policy : policyOf(user.keys, threshold)
    const { tokenVariable } = rule ?? {}
    if (policy) caches.push({ ...cache, policy, ...(tokenVariable && { tokenVariable }) })
    else warnings.push(untrusted(cache.address, { rule, threshold, known: user.keys.length }))
  }
  return { caches: caches.sort((a, b) => a.priority - b.priority), warnings }
}

function policyOf(keys: readonly PublicKey[], threshold: number): TrustPolicy | undefined {
  if (keys.length < threshold) return undefined
  return trustPolicy({ keys, threshold }, 'the trusted keys')
}

/** The user's trusted keys, by name. */
export function listKeys(host: Host, environment: Environment): readonly PublicKey[] {
  return userSettings(host, environment).keys
}

/**
 * Trusts a key from now on. False where it was trusted under that name before. Throws SETTINGS_INVALID, naming
 * both, where its name is another key's, or the key has another name. Safe between processes.
 */
export async function addKey(
  host: Host,
  environment: Environment,
  key: PublicKey,
): Promise<boolean> {
  return edit(host, environment, ({ keys }, refuse) => {
    const same = keys.find(({ id }) => id === key.id)
    if (same?.name === key.name) return { result: false }
    if (same)
      refuse(
        `the key ${key.name} is trusted as ${same.name} already`,
        `to rename it, first run: mixos cache trust remove ${same.name}`,
      )
    const other = keys.find(({ name }) => name === key.name)
    if (other)
      refuse(
        `${key.name} is the name of the key ${other.id}, and cannot be that of ${key.id}`,
        `for a new key take a new name, or first run: mixos cache trust remove ${key.name}`,
      )
    return { result: true, keys: [...keys, key] }
  })
}

/**
 * Trusts a key no more, and gives it; rules that name it lose it. A cache for which too few keys are left is not asked.
 * Throws SETTINGS_INVALID where no key has that name. Safe between processes.
 */
export async function removeKey(
  host: Host,
  environment: Environment,
  name: string,
): Promise<PublicKey> {
  return edit(host, environment, ({ keys }, refuse) => {
    const key = keys.find(key => key.name === name)
    if (!key) {
      const names = keys.map(key => key.name)
      const known = names.length > 0 ? `known: ${names.join(', ')}` : 'no key is trusted'
      return refuse(`no key is named ${JSON.stringify(name)}`, didYouMean(name, names) ?? known)
    }
    return { result: key, keys: keys.filter(other => other !== key) }
  })
}

type Refuse = (what: string, hint: string) => never

/** Reads, decides and writes while no other process does. The file's mode stays: it may hold passwords. */
async function edit<T>(
  host: Host,
  environment: Environment,
  decide: (user: UserSettings, refuse: Refuse) => { result: T; keys?: readonly PublicKey[] },
): Promise<T> {
  const path = userFile(environment)
  if (path === undefined)
    throw new MixosError('SETTINGS_INVALID', 'there is no place for trusted keys', {
      hint: 'set HOME or XDG_CONFIG_HOME',
    })
  const refuse: Refuse = (what, hint) => {
    throw new MixosError('SETTINGS_INVALID', `${path}: ${what}`, { hint })
  }
  const scratch = dirname(path)
  host.files.makeDirectory(scratch)
  const lock = await pathLock(host, `${path}.lock`)
  try {
    const user = readUserFile(host, path)
    const { result, keys } = decide(user, refuse)
    if (!keys) return result
    const before = host.files.lstat(path)
    if (before?.isSymbolicLink())
      refuse(
        'it is a symlink, which would be replaced',
        `edit ${host.files.readLink(path)} by hand`,
      )
    const data = formatUserFile({ ...user, keys })
    await writeDurably(host, { path, data, scratch, ...(before && { mode: before.mode & 0o777 }) })
    return result
  } finally {
    lock.release()
  }
}

function userSettings(host: Host, environment: Environment): UserSettings {
  const path = userFile(environment)
  return path === undefined ? NO_SETTINGS : readUserFile(host, path)
}

function parsedAddress(address: string): string {
  if (isAddress(address)) return checkedAddress(address, { where: '--cache', code: 'BAD_ARGUMENT' })
  throw new MixosError(
    'BAD_ARGUMENT',
    `--cache: ${JSON.stringify(withoutPassword(address))} is no address`,
    {
      hint: 'give a URL, such as https://cache.example/, or the path of a directory from /',
    },
  )
}

/** There are fewer keys for it than must agree. */
function untrusted(
  address: string,
  { rule, threshold, known }: { rule: UserCache | undefined; threshold: number; known: number },
): SettingsWarning {
  const { keys } = rule ?? {}
  const count = keys?.length ?? known
  const why =
    count === 0
      ? 'no key is trusted for it'
      : `its threshold is ${threshold}, more than the number of keys that are trusted for it, ${count}`
  const add = "add its signer's key with: mixos cache trust add NAME:KEY"
  const lower = count === 0 ? '' : '; or lower its "threshold"'
  return {
    message: `the cache ${address} is not asked: ${why}`,
    hint: (keys ? 'name a key in its "keys", or remove these' : add) + lower,
  }
}
