import type { Entry } from '../graph/manifest.ts'
import type { StorePath } from '../graph/store-path.ts'
import type { Store } from './store.ts'

/** What differs between two objects, a line each; nothing for one object. */
export function differences(store: Store, first: StorePath, second: StorePath): string[] {
  if (first === second) return []
  const [before, after] = [entriesOf(store, first), entriesOf(store, second)]
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort()
  const lines = paths.flatMap(path => {
    const [a, b] = [before.get(path), after.get(path)]
    return JSON.stringify(a) === JSON.stringify(b)
      ? []
      : [`${path || '(the object itself)'}: ${describe(a)}, then ${describe(b)}`]
  })
  return [
    `${store.hostPath(first)} and ${store.hostPath(second)}`,
    ...lines.map(line => `  ${line}`),
  ]
}

function entriesOf(store: Store, path: StorePath): Map<string, Entry> {
  return new Map(store.record(path)?.manifest.entries.map(entry => [entry.path, entry]))
}

function describe(entry: Entry | undefined): string {
  if (!entry) return 'absent'
  if (entry.type === 'directory') return 'a directory'
  if (entry.type === 'symlink') return `a symlink to ${entry.target}`
  return `${entry.executable ? 'an executable' : 'a file'} of ${entry.size} bytes (b3:${entry.hash.slice(0, 12)}…)`
}
