import type { Readable } from 'node:stream'
import type { Host } from '../host.ts'
import { readPipe } from '../hosts/node-pipe.ts'
import { quoted, type Spawner } from './spawner.ts'

/** Both ends of a pipe. */
export interface Pipe {
  /** Ends when no process holds the writing end any more. */
  readonly output: Readable
  /** For the child; to be closed here once it runs. */
  readonly writeEnd: number
}

/**
 * Makes a named pipe that `openPipe` can be used on again and again. Node gives its children sockets for
 * pipes, and a socket cannot be opened as /dev/stdout or /dev/stderr, which builds do.
 */
export async function makePipe(spawner: Spawner, busybox: string, path: string): Promise<void> {
  const command = quoted([busybox, 'mkfifo', '-m', '666', path])
  const code = await spawner.start(`exec ${command} >/dev/null`).ended
  if (code !== 0) throw new Error(`mkfifo ${path} failed with exit code ${code}`)
}

export function openPipe(host: Host, path: string): Pipe {
  // Opening one end of a pipe waits for the other end; opening both at once does not.
  const both = host.files.open(path, 'read-write')
  try {
    const readEnd = host.files.open(path, 'read')
    try {
      const writeEnd = host.files.open(path, 'write')
      return { output: readPipe(readEnd), writeEnd }
    } catch (error) {
      host.files.close(readEnd)
      throw error
    }
  } finally {
    host.files.close(both)
  }
}
