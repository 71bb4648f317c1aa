import { Console } from 'node:console'
import { realpathSync, statSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { type Derivation, isDerivation } from '../graph/derivation.ts'
import { MixosError } from '../graph/error.ts'
import { kindOf } from '../graph/kind-of.ts'
import type { Definitions, PackageSet } from '../graph/package-set.ts'
import { isName } from '../graph/store-path.ts'
import { SIGNALS } from './program.ts'
import { invalidRecipe, located } from './recipe-error.ts'

export interface RecipeFileOptions {
  /** The path as the user gave it. */
  readonly shownAs: string
  /** The module that the file gets when it imports 'mixos', wherever it lies. */
  readonly api: string
  /** Gets the file, see Context. */
  readonly loaded: Map<string, string>
}

/**
 * The packages that a file exports, by name: derivations, and functions from the package set to one.
 * The file is a program of the user's and runs as such, but for two things: what it prints by `console` goes to stderr,
 * since stdout is the command's result, and it cannot end this process. Throws RECIPE_INVALID naming it.
 */
export async function importRecipeFile(
  path: string,
  { shownAs, api, loaded }: RecipeFileOptions,
): Promise<Definitions> {
  refuseNoFile(path, shownAs)
  loaded.set(realpathSync(path), shownAs)
  globalThis.console = new Console(process.stderr)
  const exported = await importWith(path, { shownAs, api })
  const names = Object.keys(exported)
  if (names.length === 0) {
    throw invalidRecipe(`${shownAs} exports nothing`, 'export a package: export const hello = ...')
  }
  return Object.fromEntries(names.map(name => [name, definitionOf(exported[name], name, shownAs)]))
}

function refuseNoFile(path: string, shownAs: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) throw invalidRecipe(`there is no recipe file ${shownAs}`, 'name another with -f FILE')
  if (stats.isDirectory())
    throw invalidRecipe(
      `the recipe file ${shownAs} is a directory`,
      'name a file in it with -f FILE',
    )
  // To open a pipe would take until somebody writes to it.
  if (!stats.isFile())
    throw invalidRecipe(
      `the recipe file ${shownAs} is not a regular file`,
      'write the recipes to a file, and name it with -f FILE',
    )
}

type Definition = Definitions[string]

function definitionOf(value: unknown, name: string, file: string): Definition {
  if (name === 'default') {
    throw invalidRecipe(
      `${file} has a default export, which names no package`,
      'export const NAME = ...',
    )
  }
  if (!isName(name))
    throw invalidRecipe(`${file} exports ${JSON.stringify(name)}, which cannot be a package's name`)
  if (isDerivation(value)) return () => value
  if (typeof value === 'function') {
    return packages => callRecipe(value as Definition, packages, { name, file })
  }
  throw invalidRecipe(
    `${file} exports ${name}, which is ${kindOf(value)}`,
    'a package is a derivation, or a function from the package set to one',
  )
}

function callRecipe(
  recipe: Definition,
  packages: PackageSet,
  { name, file }: { name: string; file: string },
): Derivation {
  let made: unknown
  try {
    made = asForeign(() => recipe(packages))
  } catch (error) {
    // Of a cycle, each package on the way would say so.
    if (error instanceof MixosError && error.message.startsWith(`${file}: `)) throw error
    throw (
      about(`${file}: the package ${name}`, error) ??
      invalidRecipe(`${file}: the package ${name} throws`, undefined, located(error, file))
    )
  }
  if (isDerivation(made)) return made
  if (made instanceof Promise) {
    // Whatever it ends with, nobody waits for it.
    made.catch(() => undefined)
    throw invalidRecipe(
      `${file}: the package ${name} is a promise, not a derivation`,
      'a recipe cannot be async: await what it needs at the top of the file',
    )
  }
  throw invalidRecipe(
    `${file}: the package ${name} is ${kindOf(made)}, not a derivation`,
    'return what derivation() or script() returns',
  )
}

async function importWith(
  path: string,
  { shownAs, api }: Pick<RecipeFileOptions, 'shownAs' | 'api'>,
): Promise<Record<string, unknown>> {
  const url = pathToFileURL(path).href
  const apiUrl = pathToFileURL(api).href
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'mixos' ? { url: apiUrl, shortCircuit: true } : next(specifier, context),
    // Without a package.json beside it a file is of no known kind: here it is a module.
    load: (loaded, context, next) =>
      next(
        loaded,
        context.format == null && loaded.endsWith('.ts')
          ? { ...context, format: 'module-typescript' }
          : context,
      ),
  })
  try {
    return await asForeign(() => settled(import(url)))
  } catch (error) {
    throw (
      about(shownAs, error) ??
      invalidRecipe(`${shownAs} cannot be loaded`, undefined, located(error, shownAs))
    )
  } finally {
    hooks.deregister()
  }
}

/**
 * Runs what is the user's. Where it would end this process, it throws. Signals end it at once: in an endless loop
 * nothing could hear them, and there is nothing to clean up yet.
 */
function asForeign<T>(action: () => T): T {
  const { exit } = process
  const listeners = SIGNALS.map(signal => [signal, process.listeners(signal)] as const)
  const restore = (): void => {
    process.exit = exit
    for (const [signal, all] of listeners) for (const listener of all) process.on(signal, listener)
  }
  process.exit = code => {
    throw invalidRecipe(`it ends the program, with exit code ${code ?? 0}`, 'let it throw instead')
  }
  for (const signal of SIGNALS) process.removeAllListeners(signal)
  let result: T
  try {
    result = action()
  } catch (error) {
    restore()
    throw error
  }
  if (result instanceof Promise) return result.finally(restore) as T
  restore()
  return result
}

/** Node would end where nothing is left that a promise could wait for. */
async function settled<T>(loading: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const fail = (): void =>
    reject(invalidRecipe('it never ends loading', 'it awaits what nothing brings about'))
  process.once('beforeExit', fail)
  try {
    return await Promise.race([loading, promise])
  } finally {
    process.removeListener('beforeExit', fail)
  }
}

/** What a user can act on already, with where it arose; undefined for any other error. */
function about(where: string, error: unknown): MixosError | undefined {
  if (!(error instanceof MixosError)) return undefined
  const { code, message, hint, cause } = error
  return new MixosError(code, `${where}: ${message}`, { hint, cause })
}
