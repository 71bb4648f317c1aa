import { dirname, join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { writeDurably } from '../disk/write.ts'
import type { Store } from '../store.ts'
import { currentNumber, generationNumbers, type Made, madeIn } from './generations.ts'

/**
 * What a power cut leaves of a change of the system, written before the first step that others see. `from` and `to` are
 * numbers of generations; `isNew` says that `to` goes where the change is undone.
 */
export interface Journal {
  readonly from: number
  readonly to: number
  readonly isNew: boolean
  /** Who goes back; left out where a generation is new, which says it itself, and where it was the boot menu. */
  readonly made?: Made | undefined
  /** One that was interrupted before this one, which the boot menu began: its files below `/etc` may be half done. */
  readonly after?: Journal | undefined
}

const pathOf = ({ layout }: Store): string => join(layout.profiles, 'system', 'journal')

/** Durable when it resolves. */
export function writeJournal(store: Store, { from, to, isNew, made }: Journal): Promise<void> {
  return writeDurably(store.host, {
    path: pathOf(store),
    data: `${JSON.stringify({ from, to, isNew, made })}\n`,
    scratch: store.layout.scratch,
  })
}

/** Undefined where no change was interrupted. Throws PACKAGE_INVALID. */
export function readJournal(store: Store): Journal | undefined {
  const at = pathOf(store)
  const text = store.host.files.read(at)
  if (!text) return undefined
  if (text.length === 0) return guessed(store)
  try {
    const journal = journalIn(JSON.parse(text.toString()))
    if (journal) return journal
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new MixosError('PACKAGE_INVALID', `${at} was not written by this version of mix`, {
    hint: 'the mix that wrote it completes the change; if it is damaged, delete it, and see which state is current with: mix generations',
  })
}

/** Of the boot menu, for which the full disk had no room: what does not start is most likely the newest. */
function guessed(store: Store): Journal | undefined {
  const to = currentNumber(store)
  if (to === undefined) return undefined
  const from = generationNumbers(store).findLast(number => number !== to)
  return { from: from ?? to, to, isNew: false }
}

function journalIn(value: unknown): Journal | undefined {
  const { from, to, isNew, made, after } = (value ?? {}) as Record<string, unknown>
  if (!Number.isInteger(from) || !Number.isInteger(to) || typeof isNew !== 'boolean')
    return undefined
  const numbers = { from: from as number, to: to as number }
  return { ...numbers, isNew, made: madeIn(made), after: journalIn(after) }
}

/** No-op where there is none. Durable when it resolves. */
export async function removeJournal(store: Store): Promise<void> {
  const { files } = store.host
  files.unlink(pathOf(store))
  await files.sync(dirname(pathOf(store)))
}
