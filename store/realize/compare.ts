import { MixosError } from '../../graph/error.ts'
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

/** Of what was to be compared. That is no fault of the builder. */
export function damagedError(lines: readonly string[]): MixosError {
  const list = lines.map(line => `  ${line}`).join('\n')
  return new MixosError('OBJECT_INVALID', `what was here is damaged:\n${list}`, {
    hint: 'delete it with: mixos verify --drop; then realize and check again',
  })
}

/** Of outputs that came out otherwise; `isTaken` where what was here came from a cache. */
export function notReproducible(lines: readonly string[], isTaken: boolean): MixosError {
  const [what, hint] = isTaken
    ? [
        'these differ from what was taken from a cache',
        'either the builder does not depend on its inputs alone, or who signed for it is not to be believed: mixos cache trust list, and then: mixos cache trust forget KEY',
      ]
    : [
        'these differ',
        'both results are in the store: compare them, and make the builder depend on its inputs alone',
      ]
  const list = lines.map(line => `  ${line}`).join('\n')
  return new MixosError('NOT_REPRODUCIBLE', `built again, ${what}:\n${list}`, { hint })
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
