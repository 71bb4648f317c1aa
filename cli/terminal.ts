import { stripVTControlCharacters } from 'node:util'
import type { Environment } from './context.ts'

/** Where text for people goes. */
export interface Stream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
}

/**
 * A stream with a few lines at its end that are redrawn in place. On anything but a terminal only `print`
 * shows. One writer at a time: nothing else may write to the stream while lines are up.
 */
export interface Terminal {
  readonly isLive: boolean
  readonly hasColor: boolean
  /** Lines that stay, above the ones that are redrawn. */
  print(text: string): void
  redraw(lines: readonly string[]): void
  /** Takes the redrawn lines away. */
  clear(): void
}

export function openTerminal(stream: Stream, environment: Environment): Terminal {
  const { TERM = 'dumb', NO_COLOR } = environment
  const isLive = stream.isTTY === true && TERM !== 'dumb' && TERM !== ''
  let shown = 0
  const erase = (): string => (shown > 0 ? `\x1b[${shown}A\r\x1b[J` : '')
  const replace = (text: string, lines: readonly string[]): void => {
    // A serial line does not know how wide what is behind it is, and says 0.
    const width = stream.columns || 80
    // What has left the screen at its top cannot be taken back.
    const fitting = lines.slice(0, Math.max(1, (stream.rows || 24) - 1))
    const area = fitting.map(line => `${clipped(line, width - 1)}\n`).join('')
    const update = erase() + text + area
    if (update !== '') stream.write(update)
    shown = fitting.length
  }
  let current: readonly string[] = []
  return {
    isLive,
    hasColor: isLive && !NO_COLOR,
    print: text => replace(`${text}\n`, current),
    redraw: lines => {
      if (!isLive) return
      current = lines
      replace('', current)
    },
    clear: () => {
      current = []
      replace('', current)
    },
  }
}

/** A foreign text made safe to print: what a build prints must not move the cursor or set the title. */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\r\n?/g, '\n')
    .replaceAll('\t', '        ')
    .replace(/[\p{Cc}\p{Cf}]/gu, character => (character === '\n' ? '\n' : '\ufffd'))
}

// A wide character fills two columns; counting each beyond Latin as wide errs on the safe side.
function clipped(line: string, width: number): string {
  let used = 0
  let kept = ''
  for (const character of line) {
    used += character > '\u02ff' ? 2 : 1
    if (used > width) return kept
    kept += character
  }
  return kept
}
