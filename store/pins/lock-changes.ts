import type { Lock, Pin } from '../../graph/lock.ts'

/** A pin that came, went, or is another. */
export interface Change {
  readonly name: string
  readonly before?: Pin
  readonly after?: Pin
}

/** A seed that came, went, or has other packages: the names of their pins. */
export interface SeedChange {
  readonly name: string
  readonly before?: readonly string[]
  readonly after?: readonly string[]
}

/** Both sorted by name. */
export interface Changes {
  readonly changes: readonly Change[]
  readonly seedChanges: readonly SeedChange[]
}

export function changesOf(before: Lock, after: Lock): Changes {
  return {
    changes: differences(before.pins, after.pins),
    seedChanges: differences(before.seeds, after.seeds),
  }
}

function differences<T>(before: Readonly<Record<string, T>>, after: Readonly<Record<string, T>>) {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].sort().flatMap(name => {
    const [old, now] = [before[name], after[name]]
    if (JSON.stringify(old) === JSON.stringify(now)) return []
    return [{ name, ...(old && { before: old }), ...(now && { after: now }) }]
  })
}
