/**
 * A text with its length before it. Without that, ('ab', 'c') and ('a', 'bc') would hash alike. Lengths are in UTF-16
 * units, which tell two texts apart as well as bytes do.
 */
export const framed = (text: string): string => `${text.length}:${text}`
