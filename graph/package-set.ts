import { type Derivation, isDerivation } from './derivation.ts'
import { MixosError } from './error.ts'
import { didYouMean } from './nearest.ts'

/** Derivations by name, each made when it is first asked for. */
export interface PackageSet {
  readonly names: readonly string[]
  /** Throws NAME_UNKNOWN with the nearest name, or CYCLE with the way round. */
  get(name: string): Derivation
}

/** How to make each package, given the others: `{ hello: packages => hello({ make: packages.get('make') }) }`. */
export type Definitions = Readonly<Record<string, (packages: PackageSet) => Derivation>>

/** Later definitions replace earlier ones of the same name, also for those that depend on them. */
export function packageSet(...layers: readonly Definitions[]): PackageSet {
  const definitions = new Map(layers.flatMap(layer => Object.entries(layer)))
  const known = new Map<string, Derivation>()
  const underway: string[] = []
  const names = Object.freeze([...definitions.keys()].sort())

  const get = (name: string): Derivation => {
    const made = known.get(name)
    if (made) return made
    const define = definitions.get(name)
    if (!define) throw unknownName(name, names)
    if (underway.includes(name)) {
      const way = [...underway.slice(underway.indexOf(name)), name]
      throw new MixosError(
        'CYCLE',
        `packages depend on each other in a cycle: ${way.join(' -> ')}`,
        {
          hint: 'break it by building one of them in two steps',
        },
      )
    }
    underway.push(name)
    try {
      const drv = define(set)
      if (!isDerivation(drv)) {
        throw new MixosError(
          'RECIPE_INVALID',
          `package ${name} is ${describe(drv)}, not a derivation`,
          {
            hint: 'return what derivation() returns',
          },
        )
      }
      known.set(name, drv)
      return drv
    } finally {
      underway.pop()
    }
  }
  const set: PackageSet = { names, get }
  return set
}

/** An error for a name that is not among the known ones, with the nearest of them. */
export function unknownName(name: string, names: readonly string[]): MixosError {
  const known = names.length > 0 ? `known: ${names.join(', ')}` : 'the recipes define no packages'
  return new MixosError('NAME_UNKNOWN', `unknown package ${JSON.stringify(name)}`, {
    hint: didYouMean(name, names) ?? known,
  })
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value)
    ? 'a list'
    : `${/^[aeiou]/.test(typeof value) ? 'an' : 'a'} ${typeof value}`
}
