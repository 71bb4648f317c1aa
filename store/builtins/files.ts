import { dirname, join } from 'node:path'
import type { Derivation } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import { parseJsonObject } from '../../graph/json.ts'
import { isEntryName } from '../../graph/manifest.ts'
import type { Builtin } from './builtin.ts'

/**
 * Writes the tree that the variable `files` describes as JSON: `{ path: text | { executable: text } |
 * { symlink: target } }`.
 */
export const writeFiles: Builtin = async ({ store, derivation, target }) => {
  const { files } = store.host
  const tree = parseTree(derivation)
  files.makeDirectory(target)
  for (const [path, content] of Object.entries(tree)) {
    const refuse = (what: string, hint?: string): never => {
      throw invalid(`file ${JSON.stringify(path)} ${what}`, hint)
    }
    if (!path.split('/').every(isEntryName))
      refuse(
        'is not a relative path of plain names',
        'write it as it is below the top of the output, without . and ..: etc/motd',
      )
    // Else a symlink could lead out of the tree.
    if (parentsOf(path).some(parent => Object.hasOwn(tree, parent)))
      refuse('lies in what is not a directory', 'give one of the two another path')
    const at = join(target, path)
    files.makeDirectory(dirname(at))
    if (typeof content === 'string') files.writeNew(at, content, 0o644)
    else if (isText(content, 'executable')) files.writeNew(at, content.executable, 0o755)
    else if (!isText(content, 'symlink')) refuse('is neither text, { executable } nor { symlink }')
    else if (!/^[^\0]+$/.test(content.symlink)) refuse('links to what cannot be a path')
    else files.symlink(content.symlink, at)
  }
}

function parseTree(derivation: Derivation): Record<string, unknown> {
  return parseJsonObject(derivation.env.files ?? '{}', what => {
    throw invalid(`the variable files: ${what}`)
  })
}

function invalid(what: string, hint?: string): MixosError {
  return new MixosError('DERIVATION_INVALID', what, { hint })
}

function parentsOf(path: string): string[] {
  const names = path.split('/')
  return names.slice(1).map((_, index) => names.slice(0, index + 1).join('/'))
}

function isText<K extends string>(content: unknown, key: K): content is Record<K, string> {
  return (
    typeof content === 'object' &&
    content !== null &&
    typeof (content as Record<string, unknown>)[key] === 'string'
  )
}
