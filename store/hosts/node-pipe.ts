import { Socket } from 'node:net'
import type { Readable } from 'node:stream'

/** The bytes that come out of a pipe, as they come. Ends with the last writer, and closes `fd` then. */
export function readPipe(fd: number): Readable {
  return new Socket({ fd, readable: true, writable: false })
}
