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
