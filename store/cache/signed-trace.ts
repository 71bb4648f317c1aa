import { sign, verify } from 'node:crypto'
import { MixosError } from '../../graph/error.ts'
import { framed } from '../../graph/framed.ts'
import { isRecord } from '../../graph/json.ts'
import { shown } from '../../graph/shown.ts'
import {
  type DerivationHash,
  digestOf,
  digestOfPath,
  isLabel,
  labelOfPath,
  type ObjectHash,
  parseStorePath,
  type ResolvedHash,
  STORE_DIRECTORY,
  type StorePath,
} from '../../graph/store-path.ts'
import type { Trace } from '../traces.ts'
import type { KeyId, PublicKey, SecretKey } from './keys.ts'

/** An object by its full hash: a path alone has 160 of its bits. */
export interface SignedOutput {
  readonly path: StorePath
  readonly hash: ObjectHash
}

/** What a signer states: "this derivation produced these objects". */
export interface Statement {
  readonly label: string
  readonly derivation: DerivationHash
  readonly resolved: ResolvedHash
  /** By output name, sorted. */
  readonly outputs: Readonly<Record<string, SignedOutput>>
  /** In the form of `isoSeconds`; after it, the statement is worth nothing. */
  readonly expires?: string
}

/** `trace/<hash>/<key id>.json` of a cache. */
export interface SignedTrace extends Statement {
  readonly signedAt: string
  /** `<key id>:<base64>`. */
  readonly signature: string
}

const FORMAT = 'mixos-cache-trace-1'
/** In bytes; a trace with a hundred outputs has a third of it. */
export const SIGNED_TRACE_LIMIT = 64 * 1024
const FIELDS = ['format', 'label', 'derivation', 'resolved', 'outputs', 'signedAt', 'signature']
/** Clocks differ, but not by more milliseconds than this. */
const AHEAD = 24 * 3_600_000

/** `now` in milliseconds. Throws a plain Error for a statement that no reader would take: only bugs make one. */
export function signTrace(statement: Statement, key: SecretKey, now: number): SignedTrace {
  const { label, derivation, resolved, expires } = statement
  const outputs = Object.fromEntries(
    sorted(Object.entries(statement.outputs)).map(([name, { path, hash }]) => [
      name,
      { path, hash },
    ]),
  )
  const stated = { label, derivation, resolved, outputs, signedAt: isoSeconds(now) }
  const unsigned = { ...stated, ...(expires !== undefined && { expires }) }
  const { id } = key.public
  const refuse: Refuse = what => {
    throw new Error(`cannot sign the trace of ${label}: ${what}`)
  }
  checkMeaning(unsigned, refuse)
  if (expires !== undefined && Date.parse(expires) <= now) refuse(`it expired at ${expires}`)
  const signature = sign(null, signedBytes(unsigned, id), key.object).toString('base64')
  const signed: SignedTrace = { ...unsigned, signature: `${id}:${signature}` }
  const { length } = formatSignedTrace(signed)
  return length <= SIGNED_TRACE_LIMIT ? signed : refuse(`it has ${length} bytes`)
}

/** The only text of that trace: readers refuse every other. */
export function formatSignedTrace(signed: SignedTrace): string {
  const { label, derivation, resolved, outputs, signedAt, expires, signature } = signed
  const lines = sorted(Object.entries(outputs)).map(
    ([name, { path, hash }]) => `  ${JSON.stringify(name)}: ${JSON.stringify({ path, hash })}`,
  )
  const head = JSON.stringify({ format: FORMAT, label, derivation, resolved })
  const tail = JSON.stringify({ signedAt, expires, signature })
  return `${head.slice(0, -1)},"outputs":{\n${lines.join(',\n')}\n},${tail.slice(1)}\n`
}

export interface VerifyOptions {
  /** What was asked for: the trace must be that of this derivation, by either of its hashes. */
  readonly hash: DerivationHash | ResolvedHash
  /** Whose file it is. */
  readonly key: PublicKey
  /** Milliseconds since the epoch. */
  readonly now: number
  /** The file, for messages. */
  readonly where: string
}

/**
 * The trace, if that key signed it and it says something about that hash now. Throws SIGNATURE_INVALID for
 * another signer, a bad signature, and one that is expired or from the future; CACHE_INVALID for bytes
 * that formatSignedTrace would not have written, and for the trace of another hash. Nothing of it is used
 * before its signature is verified.
 */
export function verifySignedTrace(bytes: Uint8Array, options: VerifyOptions): SignedTrace {
  const signed = verifyWhenever(bytes, options)
  checkTime(signed, options.now, options.where)
  return signed
}

/** The same of a trace that may have expired, or be from the future: for those who look after a cache. */
export function verifyWhenever(
  bytes: Uint8Array,
  { hash, key, where }: Omit<VerifyOptions, 'now'>,
): SignedTrace {
  const refuse: Refuse = what => {
    throw new MixosError('CACHE_INVALID', `${where}: ${what}`, { hint: CACHE_HINT })
  }
  const signed = parse(bytes, refuse)
  verifySignature(signed, key, where)
  checkMeaning(signed, refuse)
  checkHash(signed, hash, refuse)
  return signed
}

/**
 * What a trace says, whoever may have signed it: for those who look after a cache, never for those who take from it.
 * Throws CACHE_INVALID as verifySignedTrace does.
 */
export function unverifiedTrace(
  bytes: Uint8Array,
  { hash, where }: Pick<VerifyOptions, 'hash' | 'where'>,
): SignedTrace {
  const signed = parseSignedTrace(bytes, where)
  checkHash(signed, hash, what => {
    throw new MixosError('CACHE_INVALID', `${where}: ${what}`, { hint: DROP_HINT })
  })
  return signed
}

/** What such bytes say, of whichever step. Throws CACHE_INVALID as unverifiedTrace does, and is for those whom that is for. */
export function parseSignedTrace(bytes: Uint8Array, where: string): SignedTrace {
  const refuse: Refuse = what => {
    throw new MixosError('CACHE_INVALID', `${where}: ${what}`, { hint: DROP_HINT })
  }
  const signed = parse(bytes, refuse)
  checkMeaning(signed, refuse)
  if (!SIGNATURE.test(signed.signature)) refuse(`invalid signature ${shown(signed.signature)}`)
  return signed
}

/** Whose word it is, if that is true. */
export function signerOf({ signature }: SignedTrace): KeyId {
  return signature.slice(0, signature.indexOf(':')) as KeyId
}

function checkHash({ derivation, resolved }: SignedTrace, hash: string, refuse: Refuse): void {
  if (hash !== derivation && hash !== resolved)
    refuse(`it is the trace of ${derivation}, asked for was ${hash}`)
}

/** What the store keeps of it. */
export function traceOf({ label, derivation, resolved, outputs }: SignedTrace): Trace {
  const paths = Object.entries(outputs).map(([name, { path }]) => [name, path])
  return { label, derivation, resolved, outputs: Object.fromEntries(paths) }
}

/** `2026-01-31T23:59:59Z` */
export function isoSeconds(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

/** For those who look after a cache. */
export const DROP_HINT =
  'drop what is damaged with: mixos cache verify CACHE --drop; then push again'
const CACHE_HINT = 'tell who runs the cache; the step is built instead'

type Refuse = (what: string) => never

/** Length-framed: the format, where the store is, who signs, and every field. What is optional is named. */
function signedBytes(unsigned: Omit<SignedTrace, 'signature'>, key: KeyId): Buffer {
  const { label, derivation, resolved, outputs, signedAt, expires } = unsigned
  let text = framed(FORMAT) + framed(STORE_DIRECTORY) + framed(key)
  text += framed(label) + framed(derivation) + framed(resolved) + framed(signedAt)
  for (const [name, { path, hash }] of sorted(Object.entries(outputs)))
    text += framed('output') + framed(name) + framed(path) + framed(hash)
  if (expires !== undefined) text += framed('expires') + framed(expires)
  return Buffer.from(text)
}

/** The fields, each of its type, in the one text that they have. */
function parse(bytes: Uint8Array, refuse: Refuse): SignedTrace {
  if (bytes.length > SIGNED_TRACE_LIMIT)
    refuse(`it has ${bytes.length} bytes, more than ${SIGNED_TRACE_LIMIT}`)
  const text = Buffer.from(bytes).toString('latin1')
  const data = parseJson(text, refuse)
  if (data.format !== FORMAT) refuse(`expected the format ${FORMAT}, got ${shown(data.format)}`)
  const textOf = (field: string): string => {
    const value = Object.hasOwn(data, field) ? data[field] : undefined
    return typeof value === 'string' ? value : refuse(`its field ${field} is not a text`)
  }
  const unknown = Object.keys(data).find(field => field !== 'expires' && !FIELDS.includes(field))
  if (unknown !== undefined) refuse(`it has an unknown field ${shown(unknown)}`)
  const signed: SignedTrace = {
    label: textOf('label'),
    derivation: textOf('derivation') as DerivationHash,
    resolved: textOf('resolved') as ResolvedHash,
    outputs: outputsOf(data.outputs, refuse),
    signedAt: textOf('signedAt'),
    ...(Object.hasOwn(data, 'expires') && { expires: textOf('expires') }),
    signature: textOf('signature'),
  }
  if (formatSignedTrace(signed) !== text) refuse('it is not written as mixos writes it')
  return signed
}

function parseJson(text: string, refuse: Refuse): Record<string, unknown> {
  try {
    const data: unknown = JSON.parse(text)
    return isRecord(data) ? data : refuse('it is not a JSON object')
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    // Without the parser's own message, which quotes bytes that anyone may have sent.
    return refuse('it is not JSON')
  }
}

function outputsOf(data: unknown, refuse: Refuse): SignedTrace['outputs'] {
  if (!isRecord(data)) return refuse('its field outputs is not an object')
  const outputs = Object.entries(data).map(([name, output]) => {
    const { path, hash, ...rest } = isRecord(output) ? output : {}
    return typeof path === 'string' && typeof hash === 'string' && Object.keys(rest).length === 0
      ? [name, { path, hash }]
      : refuse(`its output ${shown(name)} is not a path and a hash`)
  })
  return Object.fromEntries(outputs)
}

function verifySignature(signed: SignedTrace, key: PublicKey, where: string): void {
  const invalid = (what: string): MixosError =>
    new MixosError('SIGNATURE_INVALID', `${where}: ${what}`, { hint: CACHE_HINT })
  const expected = `the key ${key.name} (${key.id})`
  const [, id, base64 = ''] = SIGNATURE.exec(signed.signature) ?? []
  if (id === undefined)
    throw invalid(`expected a signature by ${expected}, got ${shown(signed.signature)}`)
  if (id !== key.id) throw invalid(`it is signed by the key ${id}, expected ${expected}`)
  const signature = Buffer.from(base64, 'base64')
  const isWhole = signature.toString('base64') === base64
  if (!isWhole || !verify(null, signedBytes(signed, key.id), key.object, signature))
    throw invalid(`its signature by ${expected} does not match what it says`)
}

/** What holds of every trace that mixos signs. */
function checkMeaning(trace: Omit<SignedTrace, 'signature'>, refuse: Refuse): void {
  const { label, derivation, resolved, outputs, signedAt, expires } = trace
  if (!isLabel(label)) refuse(`invalid label ${shown(label)}`)
  for (const hash of [derivation, resolved])
    if (!HASH.test(hash)) refuse(`invalid hash ${shown(hash)}`)
  for (const time of [signedAt, expires])
    if (time !== undefined && !isTime(time)) refuse(`invalid time ${shown(time)}`)
  const named = Object.entries(outputs)
  if (named.length === 0) refuse('it has no outputs')
  for (const [name, { path, hash }] of named) {
    if (!OUTPUT.test(name)) refuse(`invalid output name ${shown(name)}`)
    if (path.includes('/') || parseStorePath(path) === undefined)
      refuse(`output ${name}: invalid store path ${shown(path)}`)
    if (!HASH.test(hash)) refuse(`output ${name}: invalid hash ${shown(hash)}`)
    if (digestOf(hash) !== digestOfPath(path))
      refuse(`output ${name}: the path of b3:${hash} begins with ${digestOf(hash)}, not as ${path}`)
    if (labelOfPath(path) !== label && labelOfPath(path) !== `${label}-${name}`)
      refuse(`output ${name} of ${label} is at ${path}`)
  }
  // Of all outputs, the first one alone has the derivation's own label.
  const first = named.filter(([, { path }]) => labelOfPath(path) === label)
  if (first.length !== 1) refuse(`${first.length} of its outputs are at a path of ${label}, not 1`)
}

function checkTime({ signedAt, expires }: SignedTrace, now: number, where: string): void {
  const invalid = (what: string, hint: string): MixosError =>
    new MixosError('SIGNATURE_INVALID', `${where}: ${what}, now it is ${isoSeconds(now)}`, { hint })
  if (Date.parse(signedAt) > now + AHEAD)
    throw invalid(`it is signed in the future, at ${signedAt}`, 'check the clock of this machine')
  if (expires !== undefined && Date.parse(expires) <= now)
    throw invalid(`it expired at ${expires}`, 'ask its signer to push it again')
}

const SIGNATURE = /^([0-9a-f]{32}):([A-Za-z0-9+/]{86}==)$/
const OUTPUT = /^[a-z][a-zA-Z0-9_]*$/
const HASH = /^[0-9a-f]{64}$/

const isTime = (text: string): boolean =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) &&
  !Number.isNaN(Date.parse(text)) &&
  isoSeconds(Date.parse(text)) === text

/** By name, in the order of UTF-16 units. */
function sorted<T>(entries: [string, T][]): [string, T][] {
  return entries.sort(([a], [b]) => (a < b ? -1 : 1))
}
