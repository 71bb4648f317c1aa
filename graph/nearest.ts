import { closest, distance } from 'fastest-levenshtein'

/** Asks whether the nearest of the names was meant. Undefined where none is near. */
export function didYouMean(name: string, names: readonly string[]): string | undefined {
  const near = nearest(name, names)
  return near === undefined ? undefined : `did you mean ${near}?`
}

/**
 * The nearest of the names, by how many letters are to be added, dropped or changed. Undefined where that is more than
 * half of the longer name.
 */
export function nearest(name: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined
  const near = closest(name, [...names])
  const isNear = distance(name, near) <= Math.ceil(Math.max(name.length, near.length) / 2)
  return isNear ? near : undefined
}
