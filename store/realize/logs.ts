import { StringDecoder } from 'node:string_decoder'
import type { DerivationHash } from '../../graph/store-path.ts'
import type { Store } from '../store.ts'

/** Where the log of a step that was taken here is, or would be. */
export function logPath(store: Store, hash: DerivationHash): string {
  return store.layout.log(hash)
}

/** For a step that was not taken here after all: what is there is of a build that failed. */
export function forgetLog(store: Store, hash: DerivationHash): void {
  store.host.files.unlink(logPath(store, hash))
}

export interface Log {
  readonly path: string
  write(chunk: Buffer): void
  /** The last ones so far, without their newlines; of long ones the beginning. */
  lastLines(): string[]
  close(): void
}

const LAST_LINES = 20
// In characters; a longer one is told of as several. The file has it whole.
const LONGEST_LINE = 1 << 16
// What people are shown of a line, also in characters.
const LONGEST_SHOWN = 400

/** Starts the log of a step anew; that there is one says that it was taken here. Every line also goes to `onLine`. */
export function openLog(store: Store, hash: DerivationHash, onLine: (line: string) => void): Log {
  const { files } = store.host
  const path = logPath(store, hash)
  files.unlink(path)
  const fd = files.open(path, 'create')
  const decoder = new StringDecoder('utf8')
  const last: string[] = []
  let open = ''
  const add = (line: string): void => {
    last.push(line)
    if (last.length > LAST_LINES) last.shift()
    onLine(line)
  }
  const addText = (text: string): void => {
    const lines = text.split('\n')
    lines[0] = open + lines[0]
    open = lines.pop() ?? ''
    for (const line of lines) for (const piece of piecesOf(line)) add(piece)
    // Else each piece of an endless line would be joined to all before it.
    if (open.length <= LONGEST_LINE) return
    const pieces = piecesOf(open)
    open = pieces.pop() ?? ''
    for (const piece of pieces) add(piece)
  }
  return {
    path,
    write: chunk => {
      files.writeFrom(fd, chunk)
      addText(decoder.write(chunk))
    },
    lastLines: () => (open === '' ? last : [...last, open].slice(-LAST_LINES)).map(clipped),
    close: () => {
      if (open !== '') add(open)
      files.close(fd)
    },
  }
}

/** However it came, a line is cut at the same places. */
function piecesOf(line: string): string[] {
  const pieces: string[] = []
  for (let from = 0; from === 0 || from < line.length; from += LONGEST_LINE)
    pieces.push(line.slice(from, from + LONGEST_LINE))
  return pieces
}

function clipped(line: string): string {
  const more = line.length - LONGEST_SHOWN
  return more > 0 ? `${line.slice(0, LONGEST_SHOWN)} … (${more} more characters)` : line
}
