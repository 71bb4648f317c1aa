import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mixpkg } from '../derivations/build-support/mixpkg.ts'
import type { Derivation } from '../graph/derivation.ts'
import { MixosError } from '../graph/error.ts'
import { type Lock, parseLock } from '../graph/lock.ts'
import { didYouMean } from '../graph/nearest.ts'
import { type Definitions, type PackageSet, packageSet } from '../graph/package-set.ts'
import { named } from '../store/disk/system-error.ts'
import type { Problem } from '../store/pins/lock-wanted.ts'
import { absolute, type Context } from './context.ts'

/**
 * Every package that a command knows by name: the project's, and those of a recipe file. What `get` throws is for
 * whoever typed the name. Throws LOCK_OUTDATED where the lock is not what is wanted.
 */
export async function loadPackages(
  context: Context,
  { file }: { readonly file: string | undefined },
): Promise<PackageSet> {
  const own = file === undefined ? {} : await readRecipeFile(context, file)
  const packages = packageSet(await projectPackages(context), own)
  const { names } = packages
  const hint =
    file === undefined
      ? 'if a recipe file defines it, name that with -f FILE'
      : `${file} defines: ${Object.keys(own).join(', ')}`
  return {
    names,
    get: name => {
      if (names.includes(name)) return packages.get(name)
      throw new MixosError('NAME_UNKNOWN', `unknown package ${JSON.stringify(name)}`, {
        hint: [didYouMean(name, names), hint].filter(Boolean).join(' '),
      })
    },
  }
}

/** The packages of those names; `NAME.mixpkg` is any of them as a file. Throws NAME_UNKNOWN. */
export function namedPackages(
  packages: PackageSet,
  names: readonly string[],
): ReadonlyMap<string, Derivation> {
  return new Map(names.map(name => [name, packageOrFile(packages, name)]))
}

/** How the user makes them, for hints. */
export function realizeCommand(
  names: readonly string[],
  { file }: { readonly file: string | undefined },
): string {
  return ['mixos realize', ...names, ...(file === undefined ? [] : ['-f', file])].join(' ')
}

function packageOrFile(packages: PackageSet, name: string): Derivation {
  const isFile = name.endsWith(MIXPKG) && !packages.names.includes(name)
  return isFile ? mixpkg(packages.get(name.slice(0, -MIXPKG.length))) : packages.get(name)
}

const MIXPKG = '.mixpkg'

/** Throws LOCK_INVALID. */
export function readLock({ project }: Context): Lock {
  return parseLock(readLockText(join(project, 'flake-free.lock')))
}

async function projectPackages(context: Context): Promise<Definitions> {
  const [{ definitions }, { live }, { pins }, { problemsOf }] = await Promise.all([
    import('../derivations/index.ts'),
    import('../configs/systems/live.ts'),
    import('../configs/pins.ts'),
    import('../store/pins/lock-wanted.ts'),
  ])
  const lock = readLock(context)
  refuseOutdated(problemsOf(lock, pins))
  return definitions({ lock, system: live() })
}

/** Else something else than what is asked for would be made, without a word. */
function refuseOutdated(problems: readonly Problem[]): void {
  if (problems.length === 0) return
  const names = [...new Set(problems.map(({ name }) => name))]
  const told = problems.slice(0, SHOWN).map(({ text }) => text)
  const isAll = problems.length <= SHOWN
  if (!isAll) told.push(`${problems.length - SHOWN} more`)
  const message = `flake-free.lock is not what configs/pins.ts asks for: ${told.join('; ')}`
  const update = `bring it up to date with: mixos lock update ${isAll ? names.join(' ') : 'NAME...'}`
  const hint = isAll ? update : `see all with: mixos lock check; ${update}`
  throw new MixosError('LOCK_OUTDATED', message, { hint })
}

const SHOWN = 5

async function readRecipeFile(context: Context, file: string): Promise<Definitions> {
  const { importRecipeFile } = await import('./recipe-file.ts')
  return importRecipeFile(absolute(file, context.directory), {
    shownAs: file,
    api: join(context.project, 'derivations', 'recipe.ts'),
    loaded: context.recipeFiles,
  })
}

function readLockText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw named(error, path)
    throw new MixosError('LOCK_INVALID', `there is no ${path}`, {
      hint: 'restore the file, or write it anew with: mixos lock update',
    })
  }
}
