/** A foreign value for a message, which it may neither flood nor give orders to a terminal. Never descends. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (value === undefined) return 'nothing'
  return typeof value === 'string' ? `"${cut(asciiOf(value))}"` : String(value)
}

/** The same for a text that stands without quotes, such as a path. */
export function escaped(text: string): string {
  return cut(asciiOf(text).replaceAll('\\"', '"'))
}

const LONGEST = 80

function asciiOf(text: string): string {
  return JSON.stringify(text.slice(0, LONGEST + 1))
    .slice(1, -1)
    .replace(/[^ -~]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}
