/** True for a JSON object, as opposed to a list or a single value. */
export const isRecord = (data: unknown): data is Record<string, unknown> =>
  typeof data === 'object' && data !== null && !Array.isArray(data)

/** True for a whole number from 0 on that is exact. */
export const isCount = (data: unknown): data is number =>
  Number.isSafeInteger(data) && (data as number) >= 0

/** True for the 64 lower-case hexadecimal digits of a BLAKE3 or SHA-256 hash. */
export const isHash = (data: unknown): data is string =>
  typeof data === 'string' && /^[0-9a-f]{64}$/.test(data)

/** What the text holds. `refuse` is called, and throws, for what is not JSON, or not an object. */
export function parseJsonObject(
  text: string,
  refuse: (what: string) => never,
): Record<string, unknown> {
  try {
    const data: unknown = JSON.parse(text)
    if (isRecord(data)) return data
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return refuse(`it is not JSON: ${error.message}`)
  }
  return refuse('it is not a JSON object')
}

/** A key that one object has twice, and both values as they are written. */
export interface RepeatedKey {
  readonly key: string
  readonly values: readonly [string, string]
}

/**
 * The first key that an object of a text has twice; undefined where there is none. JSON.parse, which has to have taken
 * the text, keeps the last one without a word.
 */
export function repeatedKey(text: string): RepeatedKey | undefined {
  let inner: { values: Map<string, string>; key?: string; start: number } | undefined
  const outer: (typeof inner)[] = []
  let string = ''
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]/g)) {
    if (token === ':' && inner) {
      inner.key = JSON.parse(string)
      inner.start = index + 1
    } else if (token === '{' || token === '[') {
      outer.push(inner)
      inner = { values: new Map(), start: index }
    } else if (token.startsWith('"')) {
      string = token
    } else if (inner) {
      const { values, key, start } = inner
      if (key !== undefined) {
        const [before, value] = [values.get(key), text.slice(start, index).trim()]
        if (before !== undefined) return { key, values: [before, value] }
        values.set(key, value)
      }
      delete inner.key
      if (token !== ',') inner = outer.pop()
    }
  }
  return undefined
}
