import { join } from 'node:path'
import { type ErrorCode, MixosError } from '../../graph/error.ts'
import { isCount, isRecord } from '../../graph/json.ts'
import { didYouMean } from '../../graph/nearest.ts'
import { shown } from '../../graph/shown.ts'
import type { Host } from '../host.ts'
import { userSettingsDirectory } from '../user-settings.ts'
import { checkAddress } from './address.ts'
import { formatPublicKey, type PublicKey, parsePublicKey } from './keys.ts'
import { type TrustPolicy, trustPolicy } from './policy.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** A cache as a file names it. */
export interface NamedCache {
  readonly address: string
  readonly priority: number
}

export interface UserCache extends NamedCache {
  /** By name; undefined means all of the user's. */
  readonly keys: readonly string[] | undefined
  readonly threshold: number
  /** Undefined where there are fewer keys than must agree. */
  readonly policy: TrustPolicy | undefined
  /** Of the environment: holds the token that is sent to this cache. */
  readonly tokenVariable?: string
}

export interface UserSettings {
  /** By name. */
  readonly keys: readonly PublicKey[]
  /** How many of them must agree on what a cache says for which the user has no rule of its own. */
  readonly threshold: number
  readonly caches: readonly UserCache[]
  /** What the file says: an edit of the keys leaves the rest as it is. */
  readonly data: Fields
}

export const NO_SETTINGS: UserSettings = { keys: [], threshold: 1, caches: [], data: {} }

type Fields = Readonly<Record<string, unknown>>

const DEFAULT_PRIORITY = 50
const OF_USER = ['url', 'priority', 'keys', 'threshold', 'tokenVariable']
const USER_FORM =
  'write it as { "keys": ["NAME:KEY"], "caches": [{ "url": "https://cache.example/", "priority": 10, "keys": ["NAME"], "threshold": 1, "tokenVariable": "TEAM_TOKEN" }] }'
const PROJECT_FORM =
  'write it as { "caches": [{ "url": "https://cache.example/", "priority": 10 }] }'

/** `$XDG_CONFIG_HOME/mixos/caches.json`, or undefined for a user without a home. */
export function userFile(environment: Environment): string | undefined {
  const directory = userSettingsDirectory(environment)
  return directory && join(directory, 'caches.json')
}

export function projectFile(project: string): string {
  return join(project, 'configs', 'caches.json')
}

/** Empty where there is no file. Throws SETTINGS_INVALID or KEY_INVALID, naming the file, the field and its value. */
export function readUserFile(host: Host, path: string): UserSettings {
  const form = { path, hint: USER_FORM }
  const data = readFields(host, form)
  if (!data) return NO_SETTINGS
  refuseUnknown(data, { ...form, allowed: ['keys', 'threshold', 'caches'] })
  const threshold = thresholdOf(data, form)
  const keys = listAt(data, { ...form, field: 'keys' }).map((text, index) =>
    typeof text === 'string'
      ? parsePublicKey(text, `${path}: keys[${index}]`)
      : refuse(form, `keys[${index}]`, { expected: 'NAME:KEY', got: text }),
  )
  refuseTwice(keys, path)
  const caches = cachesOf(data, { ...form, allowed: OF_USER }).map(({ at, fields, ...cache }) => ({
    ...cache,
    ...rulesOf({ threshold, ...fields }, { ...form, at, keys }),
    ...tokenOf(fields, { ...form, at, address: cache.address }),
  }))
  return { keys: keys.sort(byName), threshold, caches, data }
}

/** The text of the user's file: these keys, by name, and the rest as it was but for rules that name others. */
export function formatUserFile({ keys, data }: Pick<UserSettings, 'keys' | 'data'>): string {
  const names = new Set(keys.map(({ name }) => name))
  const caches = listOrNone(data.caches)?.map(cache =>
    isRecord(cache) && Array.isArray(cache.keys)
      ? { ...cache, keys: cache.keys.filter(name => names.has(name)) }
      : cache,
  )
  const texts = [...keys].sort(byName).map(formatPublicKey)
  return `${JSON.stringify({ ...data, keys: texts, ...(caches && { caches }) }, null, 2)}\n`
}

const listOrNone = (data: unknown): unknown[] | undefined =>
  Array.isArray(data) ? data : undefined

/** Empty where there is no file. Throws SETTINGS_INVALID, also where the project would choose whom to trust. */
export function readProjectFile(host: Host, path: string): NamedCache[] {
  const form = { path, hint: PROJECT_FORM }
  const data = readFields(host, form)
  if (!data) return []
  const caches: unknown[] = Array.isArray(data.caches) ? data.caches : []
  for (const field of ['keys', 'threshold']) {
    const at = [data, ...caches].findIndex(
      fields => isRecord(fields) && Object.hasOwn(fields, field),
    )
    if (at < 0) continue
    const where = at === 0 ? field : `caches[${at - 1}].${field}`
    throw new MixosError(
      'SETTINGS_INVALID',
      `${path}: ${where}: a project may name caches, but never choose whom its users trust`,
      { hint: 'each user does so: mixos cache trust add NAME:KEY' },
    )
  }
  refuseUnknown(data, { ...form, allowed: ['caches'] })
  return cachesOf(data, { ...form, allowed: ['url', 'priority'] }).map(({ address, priority }) => ({
    address,
    priority,
  }))
}

/** A URL, or a directory by its absolute path. */
export function isAddress(text: unknown): text is string {
  if (typeof text !== 'string' || !text.isWellFormed() || /\p{Cc}/u.test(text)) return false
  return text.startsWith('/') || (/^[a-z][a-z0-9+.-]*:\/\/\S+$/.test(text) && URL.canParse(text))
}

/** The address, which can be opened. Throws an error of that code, naming `where`. */
export function checkedAddress(
  address: string,
  { where, code }: { readonly where: string; readonly code: ErrorCode },
): string {
  try {
    checkAddress(address)
    return address
  } catch (error) {
    if (!(error instanceof MixosError)) throw error
    const { message, hint } = error
    throw new MixosError(code, `${where}: ${message}`, { hint, cause: error })
  }
}

/** Equal for addresses of one cache: without slashes that change nothing, or a port that goes without saying. */
export function identityOf(address: string): string {
  const url = new URL(address.startsWith('/') ? `file://${encodeURI(address)}` : address)
  url.pathname = url.pathname.replace(/\/{2,}/g, '/').replace(/\/$/, '')
  return url.href
}

/** For messages. */
export function withoutPassword(address: string): string {
  return address.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/, '$1')
}

interface Form {
  readonly path: string
  readonly hint: string
}

function cachesOf(
  data: Fields,
  { allowed, ...form }: Form & { allowed: readonly string[] },
): (NamedCache & { at: string; fields: Fields })[] {
  const seen = new Map<string, string>()
  return listAt(data, { ...form, field: 'caches' }).map((fields, index) => {
    const at = `caches[${index}]`
    if (!isRecord(fields)) return refuse(form, at, { expected: 'an object', got: fields })
    refuseUnknown(fields, { ...form, at, allowed })
    const { url, priority = DEFAULT_PRIORITY } = fields
    if (!isAddress(url)) return refuse(form, `${at}.url`, { expected: 'a URL', got: url })
    if (!isCount(priority))
      return refuse(form, `${at}.priority`, { expected: 'a whole number from 0', got: priority })
    const before = seen.get(identityOf(url))
    if (before !== undefined)
      return refuse(form, `${at}.url`, { expected: `another cache than ${before}`, got: url })
    seen.set(identityOf(url), at)
    const where = `${form.path}: ${at}.url`
    const address = checkedAddress(url, { where, code: 'SETTINGS_INVALID' })
    return { address, priority, at, fields }
  })
}

function rulesOf(
  fields: Fields,
  { keys, at, ...form }: Form & { at: string; keys: readonly PublicKey[] },
): Pick<UserCache, 'keys' | 'threshold' | 'policy'> {
  const threshold = thresholdOf(fields, { ...form, at })
  const policyOf = (keys: readonly PublicKey[]): TrustPolicy | undefined =>
    keys.length < threshold ? undefined : trustPolicy({ keys, threshold }, `${form.path}: ${at}`)
  if (fields.keys === undefined) return { keys: undefined, threshold, policy: policyOf(keys) }
  const chosen = listAt(fields, { ...form, field: 'keys', at }).map((name, index) => {
    const key = keys.find(key => key.name === name)
    if (key) return key
    const names = keys.map(key => key.name).join(', ') || 'none'
    const expected = `one of the names in "keys" (${names})`
    return refuse(form, `${at}.keys[${index}]`, { expected, got: name })
  })
  return { keys: chosen.map(key => key.name), threshold, policy: policyOf(chosen) }
}

function thresholdOf(
  { threshold = 1 }: Fields,
  { at, ...form }: Form & { readonly at?: string },
): number {
  if (isCount(threshold) && threshold > 0) return threshold
  const field = at === undefined ? 'threshold' : `${at}.threshold`
  return refuse(form, field, { expected: 'a whole number from 1', got: threshold })
}

function tokenOf(
  { tokenVariable }: Fields,
  { at, address, path, hint }: Form & { at: string; address: string },
): Pick<UserCache, 'tokenVariable'> {
  if (tokenVariable === undefined) return {}
  const where = `${path}: ${at}.tokenVariable`
  if (!/^https?:/.test(address))
    throw new MixosError('SETTINGS_INVALID', `${where}: only web servers take tokens`, { hint })
  if (typeof tokenVariable === 'string' && VARIABLE.test(tokenVariable)) return { tokenVariable }
  // Not repeated: it may be the token itself.
  const message = `${where}: expected the name of an environment variable, such as TEAM_TOKEN`
  throw new MixosError('SETTINGS_INVALID', message, { hint })
}

const VARIABLE = /^[A-Z_][A-Z0-9_]*$/

/** Each name is one key and each key one name, or a rule would not say whom it means. */
function refuseTwice(keys: readonly PublicKey[], path: string): void {
  for (const [index, key] of keys.entries()) {
    const other = keys.slice(0, index).find(({ id, name }) => id === key.id || name === key.name)
    if (!other) continue
    const what =
      other.id === key.id
        ? `${other.name} and ${key.name} are the same key, ${key.id}`
        : `${key.name} is the name of two keys, ${other.id} and ${key.id}`
    throw new MixosError('SETTINGS_INVALID', `${path}: keys[${index}]: ${what}`, {
      hint: 'list each key once, under a name of its own',
    })
  }
}

function readFields(host: Host, form: Form): Fields | undefined {
  const text = readText(host, form)
  if (text === undefined) return undefined
  try {
    const data: unknown = JSON.parse(text)
    return isRecord(data) ? data : refuse(form, 'the file', { expected: 'an object', got: data })
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const message = `${form.path}: it is not JSON: ${shown(error.message)}`
    throw new MixosError('SETTINGS_INVALID', message, { hint: form.hint })
  }
}

/** A file that is there and cannot be read is no file without rules. */
function readText(host: Host, { path }: Form): string | undefined {
  if (!host.files.lstat(path)) return undefined
  try {
    return host.files.read(path)?.toString('utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EISDIR' && code !== 'ELOOP') throw error
    throw new MixosError('SETTINGS_INVALID', `${path}: it cannot be read: ${code}`, {
      hint: 'make it a file that you may read, or remove it',
      cause: error,
    })
  }
}

function refuseUnknown(
  fields: Fields,
  { path, at, allowed, hint }: Form & { at?: string; allowed: readonly string[] },
): void {
  const unknown = Object.keys(fields).find(field => !allowed.includes(field))
  if (unknown === undefined) return
  const message = `${path}: unknown field ${shown(unknown)}${at ? ` in ${at}` : ''}`
  const meant = didYouMean(unknown, allowed)
  throw new MixosError('SETTINGS_INVALID', message, { hint: meant ? `${meant} ${hint}` : hint })
}

function listAt(
  fields: Fields,
  { field, at, ...form }: Form & { field: string; at?: string },
): readonly unknown[] {
  const { [field]: value = [] } = fields
  const name = at === undefined ? field : `${at}.${field}`
  return Array.isArray(value) ? value : refuse(form, name, { expected: 'a list', got: value })
}

function refuse(
  { path, hint }: Form,
  field: string,
  { expected, got }: { expected: string; got: unknown },
): never {
  const found = withoutPasswords(shown(got))
  throw new MixosError(
    'SETTINGS_INVALID',
    `${path}: ${field}: expected ${expected}, got ${found}`,
    {
      hint,
    },
  )
}

const withoutPasswords = (json: string): string => json.replace(/:\/\/[^/?#"]*@/g, '://')
const byName = (a: PublicKey, b: PublicKey): number => (a.name < b.name ? -1 : 1)
