import { dirname, join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { isEntryName } from '../../graph/manifest.ts'
import type { Builtin } from './builtin.ts'

/**
 * Writes the tree that the variable `files` describes as JSON: `{ path: text | { executable: text } |
 * { symlink: target } }`.
 */
export const writeFiles: Builtin = async ({ store, derivation, target }) => {
  const { files } = store.host
  files.makeDirectory(target)
  const tree: Record<string, unknown> = JSON.parse(derivation.env.files ?? '{}')
  for (const [path, content] of Object.entries(tree)) {
    const refuse = (what: string): never => {
      throw new MixosError(
        'DERIVATION_INVALID',
        `${derivation.name}: file ${JSON.stringify(path)} ${what}`,
      )
    }
    if (!path.split('/').every(isEntryName)) refuse('is not a relative path of plain names')
    const at = join(target, path)
    files.makeDirectory(dirname(at))
    if (typeof content === 'string') files.writeNew(at, content, 0o644)
    else if (isText(content, 'executable')) files.writeNew(at, content.executable, 0o755)
    else if (isText(content, 'symlink')) files.symlink(content.symlink, at)
    else refuse('is neither text, { executable } nor { symlink }')
  }
}

function isText<K extends string>(content: unknown, key: K): content is Record<K, string> {
  return (
    typeof content === 'object' &&
    content !== null &&
    typeof (content as Record<string, unknown>)[key] === 'string'
  )
}
