import { closest } from 'fastest-levenshtein'

/** Of the names, the one that was most likely meant; undefined where there are none. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  return names.length > 0 ? closest(name, [...names]) : undefined
}
