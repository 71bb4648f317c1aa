import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import { DAMAGED } from './system-error.ts'

/**
 * A function that flushes the file system which holds a path, by BusyBox's `sync -f` (syncfs(2), which Node does
 * not have). Throws FILE_UNAVAILABLE where the flush fails, or ENOSPC: what was written may then not be on disk.
 */
export function fileSystemSync(host: Host, busybox: string): (path: string) => Promise<void> {
  return async path => {
    const child = host.processes.spawn(busybox, ['sync', '-f', path], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ended = once(child, 'close')
    const said = (child.stderr ? await text(child.stderr) : '').trim()
    const [code] = await ended
    if (code === 0) return
    // Where a file gets its place on the disk only now, the disk may turn out to be full.
    if (FULL.test(said)) throw Object.assign(new Error(said), { code: 'ENOSPC', path })
    const message = `cannot flush the file system that holds ${path}: ${said || `sync exited with ${code}`}`
    throw new MixosError('FILE_UNAVAILABLE', message, { hint: DAMAGED })
  }
}

const FULL = /No space left|quota exceeded/i
