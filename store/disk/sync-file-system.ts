import { once } from 'node:events'
import type { Host } from '../host.ts'

/**
 * A function that flushes the file system which holds a path, by BusyBox's `sync -f` (syncfs(2), which Node does
 * not have). Throws where the flush fails: what was written may then not be on disk.
 */
export function fileSystemSync(host: Host, busybox: string): (path: string) => Promise<void> {
  return async path => {
    const child = host.processes.spawn(busybox, ['sync', '-f', path], { stdio: 'ignore' })
    const [code] = await once(child, 'close')
    if (code !== 0)
      throw new Error(`cannot flush the file system that holds ${path}: sync exited with ${code}`)
  }
}
