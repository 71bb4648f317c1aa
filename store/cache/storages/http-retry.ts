import { jittered } from '../../hosts/node-thread.ts'
import type { HttpAnswer } from './http-exchange.ts'
import { onAbort } from './on-abort.ts'

/** What a server says that has too much to do or is being restarted, and what stands before such a server. */
const NOT_NOW: ReadonlySet<number> = new Set([429, 502, 503, 504])
/** Parts of the wait, before chance. */
const PAUSES = [0.05, 0.15, 0.45]

/**
 * Asks again while the answer is "not now", and gives the last. The pauses take less than `wait` milliseconds together.
 */
export async function untilReady(
  ask: () => Promise<HttpAnswer>,
  { signal, wait }: { signal: AbortSignal; wait: number },
): Promise<HttpAnswer> {
  for (const part of PAUSES) {
    const answer = await ask()
    if (!NOT_NOW.has(answer.status)) return answer
    await pause(jittered(part * wait), signal)
  }
  return ask()
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, milliseconds)
  const forget = onAbort(signal, () => reject(signal.reason))
  try {
    await promise
  } finally {
    clearTimeout(timer)
    forget()
  }
}
