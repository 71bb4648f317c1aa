import { join } from 'node:path'
import { writeDurably } from '../disk/write.ts'
import type { Store } from '../store.ts'
import { type Made, madeIn } from './generations.ts'

/** That a generation which was there already was made current. */
export interface Rollback extends Made {
  readonly from: number
  readonly to: number
  /** The newest generation at that time, after which it happened. */
  readonly newest: number
}

const pathOf = ({ layout }: Store): string => join(layout.profiles, 'system', 'rollbacks')

/** In their order. What cannot be read is left out: a rollback must go well whatever is damaged. */
export function rollbacks(store: Store): Rollback[] {
  const lines = store.host.files.read(pathOf(store))?.toString().split('\n') ?? []
  return lines.flatMap(line => parseRollback(line) ?? [])
}

/** Notes one; no-op for the one that was noted last. Durable when it resolves. */
export async function noteRollback(store: Store, rollback: Rollback): Promise<void> {
  const known = rollbacks(store)
  const last = known.at(-1)
  const { from, to, newest } = rollback
  if (last?.from === from && last.to === to && last.newest === newest) return
  await write(store, [...known, rollback])
}

/** Forgets those from and to other generations than these. */
export async function forgetRollbacks(store: Store, numbers: readonly number[]): Promise<void> {
  const known = rollbacks(store)
  const kept = known.filter(({ from, to }) => numbers.includes(from) && numbers.includes(to))
  if (kept.length < known.length) await write(store, kept)
}

function write(store: Store, all: readonly Rollback[]): Promise<void> {
  return writeDurably(store.host, {
    path: pathOf(store),
    data: all.map(rollback => `${JSON.stringify(rollback)}\n`).join(''),
    scratch: store.layout.scratch,
  })
}

function parseRollback(line: string): Rollback | undefined {
  try {
    const value = JSON.parse(line)
    const made = madeIn(value)
    const { from, to, newest } = value ?? {}
    const isWhole = made && [from, to, newest].every(Number.isInteger)
    return isWhole ? { ...made, from, to, newest } : undefined
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
