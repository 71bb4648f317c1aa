import { type Derivation, isDerivation } from './derivation.ts'
import { MixosError } from './error.ts'
import { kindOf } from './kind-of.ts'
import { didYouMean } from './nearest.ts'

/** Derivations by name, each made when it is first asked for. */
export interface PackageSet {
  readonly names: readonly string[]
  /** Throws NAME_UNKNOWN with the nearest name, or CYCLE with the way round. */
  get(name: string): Derivation
}

/** How to make each package, given the others: `{ hello: packages => hello({ make: packages.get('make') }) }`. */
export type Definitions = Readonly<Record<string, Definition>>
type Definition = (packages: PackageSet) => Derivation

/**
 * Later definitions replace earlier ones of the same name, also for those that depend on them. In its own definition, a
 * package's name means the one that it replaces: `{ nano: ({ get }) => override(get('nano'), change) }`.
 */
export function packageSet(...layers: readonly Definitions[]): PackageSet {
  const definitions = Map.groupBy(
    layers.flatMap(layer => Object.entries(layer)),
    ([name]) => name,
  )
  const known = new Map<string, Derivation>()
  const underway: string[] = []
  const names = Object.freeze([...definitions.keys()].sort())

  const get = (name: string): Derivation => {
    const made = known.get(name)
    if (made) return made
    const layered = definitions.get(name)?.map(([, define]) => define)
    if (!layered) throw unknownName(name, names)
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
      const drv = defined(name, layered)
      known.set(name, drv)
      return drv
    } finally {
      underway.pop()
    }
  }
  /** By the last of these definitions, for which the ones before it are the package that it replaces. */
  const defined = (name: string, layered: readonly Definition[]): Derivation => {
    const before = layered.slice(0, -1)
    const isOwn = (other: string): boolean => other === name && before.length > 0
    const drv = layered.at(-1)?.({
      names,
      get: other => (isOwn(other) ? defined(name, before) : get(other)),
    })
    if (isDerivation(drv)) return drv
    throw new MixosError('RECIPE_INVALID', `package ${name} is ${kindOf(drv)}, not a derivation`, {
      hint: 'return what derivation() returns',
    })
  }
  return { names, get }
}

/** An error for a name that is not among the known ones, with the nearest of them. */
function unknownName(name: string, names: readonly string[]): MixosError {
  const known = names.length > 0 ? `known: ${names.join(', ')}` : 'the recipes define no packages'
  return new MixosError('NAME_UNKNOWN', `unknown package ${JSON.stringify(name)}`, {
    hint: didYouMean(name, names) ?? known,
  })
}
