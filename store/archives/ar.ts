const MAGIC = '!<arch>\n'
const HEADER = 60

/**
 * The members of an `ar` archive by name, as in a `.deb`: short names only. Throws Error for anything else.
 */
export function readAr(bytes: Buffer): Map<string, Buffer> {
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC)
    throw new Error('it is not an ar archive')
  const members = new Map<string, Buffer>()
  for (let position = MAGIC.length; position < bytes.length; ) {
    const header = bytes.toString('latin1', position, position + HEADER)
    const [name, size] = [header.slice(0, 16).replace(/\/? *$/, ''), header.slice(48, 58).trim()]
    if (!header.endsWith('`\n') || header.length !== HEADER || !/^\d+$/.test(size))
      throw new Error('it is damaged')
    const start = position + HEADER
    const end = start + Number(size)
    if (end > bytes.length) throw new Error('it ends too early')
    if (members.has(name)) throw new Error(`it holds ${JSON.stringify(name)} twice`)
    members.set(name, bytes.subarray(start, end))
    position = end + (end % 2)
  }
  return members
}
