import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { MixosError } from '../graph/error.ts'

/** Where a person is, if anyone. */
export interface Conversation {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly output: NodeJS.WritableStream
  readonly signal: AbortSignal
}

/**
 * Shows what is going to happen and asks whether to go on. Throws CANCELLED for no, Ctrl-C, Ctrl-D and a signal, and
 * BAD_ARGUMENT where there is nobody to ask.
 */
export async function confirm(lines: readonly string[], conversation: Conversation): Promise<void> {
  const { input, output } = conversation
  if (!input.isTTY) {
    throw new MixosError('BAD_ARGUMENT', 'nobody can be asked whether to go on', {
      hint: 'see what would be done with --dry-run, and do it with --yes',
    })
  }
  output.write(`${lines.join('\n')}\n`)
  const reply = await replyTo('go on? [Y/n] ', conversation)
  if (reply === undefined) output.write('\n')
  if (/^(y(es)?)?$/i.test(reply?.trim() ?? 'no')) return
  throw new MixosError('CANCELLED', 'nothing was changed')
}

/**
 * What the user types; undefined for Ctrl-C and Ctrl-D, which close the interface to the terminal, and for a signal.
 */
async function replyTo(
  question: string,
  { input, output, signal }: Conversation,
): Promise<string | undefined> {
  const terminal = createInterface({ input, output, terminal: true })
  const closed = once(terminal, 'close').then(() => undefined)
  try {
    return await Promise.race([terminal.question(question, { signal }), closed])
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return undefined
    throw error
  } finally {
    terminal.close()
  }
}
