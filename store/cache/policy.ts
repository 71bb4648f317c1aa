import { MixosError } from '../../graph/error.ts'
import type { ResolvedHash } from '../../graph/store-path.ts'
import type { KeyId, PublicKey } from './keys.ts'
import { formatSignedTrace, type SignedTrace } from './signed-trace.ts'

/** Whom to believe: at least `threshold` of these keys must say the same. */
export interface TrustPolicy {
  readonly keys: readonly PublicKey[]
  readonly threshold: number
}

/** A trace that verifySignedTrace has accepted as this key's. */
export interface Testimony {
  readonly key: PublicKey
  readonly trace: SignedTrace
}

/** What some signers agree on. */
export interface Claim {
  readonly outputs: SignedTrace['outputs']
  /** Distinct keys, in the order of the policy. */
  readonly signers: readonly PublicKey[]
  /**
   * What the derivation resolved to, if `threshold` of the signers say so. Undefined where no hash has that
   * many, or two have: then the outputs may be kept under the hash that was asked for, and under no other.
   * Else one signer of many could agree on an object and decide alone which other step it stands for.
   */
  readonly resolved: ResolvedHash | undefined
  /** What they signed, as texts; where it is settled what the derivation resolved to, of those who say so. */
  readonly statements: readonly string[]
}

export type Verdict =
  /** Enough say so. `disagreements` are what others say, which cannot win but should be told. */
  | { readonly type: 'agreed'; readonly claim: Claim; readonly disagreements: readonly Claim[] }
  /** Enough say one thing, and enough another: none is believed. */
  | { readonly type: 'conflict'; readonly claims: readonly Claim[] }
  /** Not enough say anything. */
  | { readonly type: 'unsettled'; readonly claims: readonly Claim[] }

/**
 * Throws SETTINGS_INVALID, naming `where`, for a threshold that all or none would reach, and for one key
 * listed twice, which would count for two.
 */
export function trustPolicy({ keys, threshold }: TrustPolicy, where: string): TrustPolicy {
  const refuse = (what: string, hint: string): never => {
    throw new MixosError('SETTINGS_INVALID', `${where}: ${what}`, { hint })
  }
  const names = new Map<KeyId, string>()
  for (const { name, id } of keys) {
    const before = names.get(id)
    if (before !== undefined)
      refuse(`${before} and ${name} are the same key, ${id}`, 'list each key once')
    names.set(id, name)
  }
  if (!Number.isSafeInteger(threshold) || threshold < 1)
    refuse(`the threshold is ${JSON.stringify(threshold)}, expected 1 or more`, 'set it to 1')
  if (threshold > keys.length)
    refuse(
      `the threshold is ${threshold}, more than its number of keys, ${keys.length}`,
      'add keys, or lower the threshold',
    )
  return Object.freeze({ keys: Object.freeze([...keys]), threshold })
}

/**
 * What to believe of one hash. A key counts once for each thing it says, however often it says it; keys
 * that are not the policy's do not count at all. The order of the testimonies decides nothing.
 */
export function judge(policy: TrustPolicy, testimonies: readonly Testimony[]): Verdict {
  const claims = claimsOf(policy, testimonies)
  const believed = claims.filter(({ signers }) => signers.length >= policy.threshold)
  const [claim, second] = believed
  if (!claim) return { type: 'unsettled', claims }
  if (second) return { type: 'conflict', claims }
  return { type: 'agreed', claim, disagreements: claims.filter(other => other !== claim) }
}

/** What is said, by most signers first. */
function claimsOf(policy: TrustPolicy, testimonies: readonly Testimony[]): Claim[] {
  const groups = Map.groupBy(testimonies, ({ trace }) => textOf(trace.outputs))
  const texts = [...groups.keys()].sort()
  const claims = texts.flatMap(text => {
    const group = groups.get(text) ?? []
    const outputs = group[0]?.trace.outputs
    const signers = signersOf(policy, group)
    if (!outputs || signers.length === 0) return []
    const resolved = resolvedOf(policy, group)
    const statements = group
      .filter(({ key }) => signers.some(({ id }) => id === key.id))
      .map(({ trace }) => trace)
      .filter(trace => resolved === undefined || trace.resolved === resolved)
      .map(formatSignedTrace)
    return [{ outputs, signers, resolved, statements: [...new Set(statements)].sort() }]
  })
  return claims.sort((a, b) => b.signers.length - a.signers.length)
}

function signersOf({ keys }: TrustPolicy, group: readonly Testimony[]): PublicKey[] {
  const ids = new Set(group.map(({ key }) => key.id))
  return keys.filter(({ id }) => ids.has(id))
}

function resolvedOf(policy: TrustPolicy, group: readonly Testimony[]): ResolvedHash | undefined {
  const said = Map.groupBy(group, ({ trace }) => trace.resolved)
  const believed = [...said].filter(
    ([, testimonies]) => signersOf(policy, testimonies).length >= policy.threshold,
  )
  return believed.length === 1 ? believed[0]?.[0] : undefined
}

/** Equal exactly for equal outputs: all of them, by their full hashes. */
function textOf(outputs: SignedTrace['outputs']): string {
  const names = Object.keys(outputs).sort()
  return JSON.stringify(names.map(name => [name, outputs[name]?.path, outputs[name]?.hash]))
}
