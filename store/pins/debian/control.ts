/**
 * The stanzas of a Debian control file, each with those of the `wanted` fields that it has; the further
 * lines of a field are kept, behind newlines. Throws Error at a line that is neither.
 */
export function* stanzas(
  text: string,
  wanted: readonly string[],
): Generator<Record<string, string>> {
  const fields = new Set(wanted)
  let stanza: Record<string, string> = {}
  let field = ''
  let isEmpty = true
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    const line = text.slice(start, end)
    start = end + 1
    if (line.trim() === '') {
      if (!isEmpty) yield stanza
      stanza = {}
      field = ''
      isEmpty = true
      continue
    }
    isEmpty = false
    if (line.startsWith(' ') || line.startsWith('\t')) {
      if (stanza[field] !== undefined) stanza[field] += `\n${line}`
      continue
    }
    const colon = line.indexOf(':')
    if (colon < 1) throw new Error(`${JSON.stringify(line.slice(0, 80))} is no field`)
    field = line.slice(0, colon)
    if (fields.has(field)) stanza[field] = line.slice(colon + 1).trim()
  }
  if (!isEmpty) yield stanza
}

/** A field of `hash size name` lines, such as `Checksums-Sha256`, by name. */
export function checksums(field: string): Map<string, { hash: `sha256:${string}`; size: number }> {
  const files = new Map<string, { hash: `sha256:${string}`; size: number }>()
  for (const match of field.matchAll(/^\s*([0-9a-f]{64})\s+(\d+)\s+(\S+)\s*$/gm)) {
    const [hash, size, name] = match.slice(1) as [string, string, string]
    files.set(name, { hash: `sha256:${hash}`, size: Number(size) })
  }
  return files
}
