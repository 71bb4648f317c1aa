import { checksums, stanzas } from './control.ts'
import { isPoolPath } from './packages.ts'
import { compareVersions } from './version.ts'

/** A source package, as an index lists it. */
export interface SourcePackage {
  readonly name: string
  readonly version: string
  readonly files: readonly SourceFile[]
}

export interface SourceFile {
  /** Below the archive's root. */
  readonly path: string
  readonly hash: `sha256:${string}`
  readonly size: number
}

const FIELDS = ['Package', 'Version', 'Directory', 'Checksums-Sha256']

/** Reads those of a `Sources` file that are wanted, the newest version of each. Throws Error for damage. */
export function parseSources(
  text: string,
  wanted: ReadonlySet<string>,
): Map<string, SourcePackage> {
  const newest = new Map<string, SourcePackage>()
  for (const stanza of stanzas(text, FIELDS)) {
    const { Package: name = '', Version: version = '', Directory: directory = '' } = stanza
    if (!wanted.has(name)) continue
    const other = newest.get(name)
    if (other && compareVersions(version, other.version) <= 0) continue
    const files = [...checksums(stanza['Checksums-Sha256'] ?? '')].map(
      ([file, { hash, size }]) => ({
        path: `${directory}/${file}`,
        hash,
        size,
      }),
    )
    if (files.length === 0 || !files.every(({ path }) => isPoolPath(path))) {
      throw new Error(`its entry of ${name} has no valid Directory and Checksums-Sha256`)
    }
    newest.set(name, { name, version, files })
  }
  return newest
}
