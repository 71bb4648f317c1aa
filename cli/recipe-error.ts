import { pathToFileURL } from 'node:url'
import { MixosError } from '../graph/error.ts'

/** RECIPE_INVALID: what is wrong with a recipe file, which the message names. */
export function invalidRecipe(message: string, hint?: string, cause?: unknown): MixosError {
  return new MixosError('RECIPE_INVALID', message, { hint, cause })
}

/** The error with the line of the file on which it arose, as far as its stack tells. */
export function located(error: unknown, file: string): unknown {
  if (!(error instanceof Error)) return error
  const base = file.split('/').at(-1) ?? file
  const escaped = base.replace(/[^\w]/g, '\\$&')
  const line = new RegExp(`${escaped}:(\\d+)`).exec(error.stack ?? '')?.[1]
  return new Error(`${error.name}: ${error.message}${line ? ` (${base}, line ${line})` : ''}`)
}

/** An error in what a recipe file began and nobody waits for; undefined where its stack names none of the files. */
export function strayRecipeError(
  error: unknown,
  files: ReadonlyMap<string, string>,
): MixosError | undefined {
  if (error instanceof MixosError || !(error instanceof Error)) return undefined
  const found = [...files].find(([path]) => error.stack?.includes(`${pathToFileURL(path).href}:`))
  if (!found) return undefined
  const [path, shownAs] = found
  return invalidRecipe(
    `${shownAs} fails after it was loaded`,
    'await what it begins at the top of the file, where errors are noticed',
    located(error, path),
  )
}
