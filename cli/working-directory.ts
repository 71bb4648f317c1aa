import { readlinkSync } from 'node:fs'
import { MixosError } from '../graph/error.ts'

/** Where the user is. Throws FILE_UNAVAILABLE, naming it, where that directory is gone. */
export function workingDirectory(): string {
  try {
    return process.cwd()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const gone = readlinkSync('/proc/self/cwd').replace(/ \(deleted\)$/, '')
    throw new MixosError('FILE_UNAVAILABLE', `the working directory is gone: ${gone}`, {
      hint: 'change to another one with: cd',
    })
  }
}
