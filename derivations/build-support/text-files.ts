import { type Derivation, derivation } from '../../graph/derivation.ts'

/** A text, an executable text, or the target of a symlink. */
export type TextFile = string | { readonly executable: string } | { readonly symlink: string }

/** A tree of small files, by path; written by the tool itself, without a sandbox. */
export function textFiles(spec: {
  readonly name: string
  readonly version: string
  readonly files: Readonly<Record<string, TextFile>>
}): Derivation {
  const { name, version, files } = spec
  const entries = Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))
  return derivation({
    name,
    version,
    builder: ['builtin:files'],
    env: { files: JSON.stringify(Object.fromEntries(entries)) },
  })
}
