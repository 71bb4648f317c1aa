import type { Entry, Manifest } from '../../graph/manifest.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { recordOf } from '../object-closure.ts'
import type { Store } from '../store.ts'

/** What differs between two objects of the store, a line each; nothing for one object. */
export function differences(store: Store, first: StorePath, second: StorePath): string[] {
  if (first === second) return []
  const manifestOf = (path: StorePath): Manifest => recordOf(store, path).manifest
  return [
    `${store.hostPath(first)} and ${store.hostPath(second)}`,
    ...manifestDifferences(manifestOf(first), manifestOf(second)).map(line => `  ${line}`),
  ]
}

/** Each file that differs, with both sides. */
export function manifestDifferences(first: Manifest, second: Manifest): string[] {
  const [before, after] = [entriesOf(first), entriesOf(second)]
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort()
  return paths.flatMap(path => {
    const [a, b] = [before.get(path), after.get(path)]
    return JSON.stringify(a) === JSON.stringify(b)
      ? []
      : [`${path || '(the object itself)'}: ${describe(a)}, then ${describe(b)}`]
  })
}

function entriesOf({ entries }: Manifest): Map<string, Entry> {
  return new Map(entries.map(entry => [entry.path, entry]))
}

function describe(entry: Entry | undefined): string {
  if (!entry) return 'absent'
  if (entry.type === 'directory') return 'a directory'
  if (entry.type === 'symlink') return `a symlink to ${entry.target}`
  return `${entry.executable ? 'an executable' : 'a file'} of ${entry.size} bytes (b3:${entry.hash.slice(0, 12)}…)`
}
