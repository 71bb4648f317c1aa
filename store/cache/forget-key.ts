import { join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { flush } from '../disk/write.ts'
import type { Store } from '../store.ts'
import { storeLock } from '../store-lock.ts'
import { parseTrace, type Trace } from '../traces.ts'
import type { KeyId } from './keys.ts'
import { parseSignedTrace, signerOf } from './signed-trace.ts'

export interface Forgotten {
  /** Steps that were taken on the key's word, also where others said the same. */
  readonly taken: number
  /** Steps that came later than the first of these. */
  readonly since: number
}

/**
 * For a key whose secret has got out: forgets what was taken on its word, and every step that was remembered since the
 * first of that, which may have been made from it. What is needed of these is made again, or taken on another's word; the
 * objects stay until they are collected. What had been collected before may have been used too: of that, nothing is known.
 * Waits until nothing else uses the store.
 */
export async function forgetKey(
  store: Store,
  key: KeyId,
  options: { readonly signal: AbortSignal; readonly onWait: () => void },
): Promise<Forgotten> {
  const { host, layout } = store
  const lock = await storeLock(store, 'store', options)
  try {
    const known = host.files.list(layout.traces).flatMap(name => {
      const at = join(layout.traces, name)
      const trace = traceAt(store, { at, name })
      const time = host.files.lstat(at)?.mtimeMs ?? 0
      return trace ? [{ at, trace, time }] : []
    })
    const isTaken = ({ trace }: { readonly trace: Trace }): boolean => isOnWordOf(trace, key)
    const first = Math.min(...known.filter(isTaken).map(({ time }) => time))
    const gone = known.filter(one => isTaken(one) || one.time >= first)
    for (const { at } of gone) host.files.unlink(at)
    await flush(host, [layout.traces])
    const [taken, all] = [stepsIn(gone.filter(isTaken)), stepsIn(gone)]
    return { taken, since: all - taken }
  } finally {
    lock.release()
  }
}

/** Undefined for one that is damaged, which nobody uses either. */
function traceAt({ host }: Store, { at, name }: { at: string; name: string }): Trace | undefined {
  try {
    return parseTrace(host.files.read(at)?.toString() ?? '', name, at)
  } catch (error) {
    if (error instanceof MixosError) return undefined
    throw error
  }
}

function isOnWordOf({ statements = [] }: Trace, key: KeyId): boolean {
  return statements.some(
    text =>
      signerOf(parseSignedTrace(Buffer.from(text, 'latin1'), 'a trace of this store')) === key,
  )
}

/** Each has two traces, unless it needs nothing. */
function stepsIn(traces: readonly { readonly trace: Trace }[]): number {
  return new Set(traces.map(({ trace }) => trace.derivation)).size
}
