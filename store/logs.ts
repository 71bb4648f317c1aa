import { StringDecoder } from 'node:string_decoder'
import type { DerivationHash } from '../graph/store-path.ts'
import type { Store } from './store.ts'

/** Where the log of a derivation's last build is, or would be. */
export function logPath(store: Store, hash: DerivationHash): string {
  return store.layout.log(hash)
}

export interface Log {
  readonly path: string
  write(chunk: Buffer): void
  /** The last ones so far, without their newlines. */
  lastLines(): string[]
  close(): void
}

const LAST_LINES = 20

/** Starts the log of a build anew. Every line also goes to `onLine`. */
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
  return {
    path,
    write: chunk => {
      files.writeFrom(fd, chunk)
      const lines = (open + decoder.write(chunk)).split('\n')
      open = lines.pop() ?? ''
      for (const line of lines) add(line)
    },
    lastLines: () => (open === '' ? [...last] : [...last, open].slice(-LAST_LINES)),
    close: () => {
      if (open !== '') add(open)
      files.close(fd)
    },
  }
}
