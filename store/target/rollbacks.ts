import { join } from 'node:path'
import { writeDurably } from '../disk/write.ts'
import type { Store } from '../store.ts'
import { type Made, madeIn } from './generations.ts'
import { type PackageChanges, packageChangesIn } from './package-changes.ts'

/** That a generation which was there already was made current. */
export interface Rollback extends Made {
  readonly from: number
  readonly to: number
  /** The newest generation at that time, after which it happened. */
  readonly newest: number
  /** Undefined where one of the two was damaged. */
  readonly changes?: PackageChanges | undefined
}

const REMEMBERED = 1000

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
  await write(store, [...known, rollback].slice(-REMEMBERED))
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
    const changes = packageChangesIn(value?.changes)
    return isWhole ? { ...made, from, to, newest, changes } : undefined
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
