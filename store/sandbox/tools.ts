import { join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'

/** What the sandbox is made of: nothing of it is the host's. */
export interface SandboxTools {
  /** A directory that holds Debian's bubblewrap, its libraries and their loader, as unpacked. */
  readonly bubblewrap: string
  /** A static BusyBox. */
  readonly busybox: string
}

const LIBRARIES = 'usr/lib/x86_64-linux-gnu'
const LOADER = `${LIBRARIES}/ld-linux-x86-64.so.2`
const PROGRAM = 'usr/bin/bwrap'

/**
 * Bubblewrap's command line, up to its own arguments, for a process in the directory `bubblewrap`: by
 * relative paths, so that it works where that directory cannot be reached by its path.
 */
export const BUBBLEWRAP: readonly string[] = [LOADER, '--library-path', LIBRARIES, PROGRAM]

/** Throws SANDBOX_UNAVAILABLE where a tool is missing or has a privilege that it must not have. */
export function checkTools(host: Host, { bubblewrap, busybox }: SandboxTools): void {
  for (const path of [join(bubblewrap, PROGRAM), join(bubblewrap, LOADER), busybox]) {
    const stats = host.files.lstat(path)
    if (!stats?.isFile()) {
      throw new MixosError('SANDBOX_UNAVAILABLE', `the sandbox lacks ${path}`, {
        hint: 'delete nothing from the store by hand; repair the object that holds it',
      })
    }
    if ((stats.mode & 0o6000) !== 0) {
      throw new MixosError('SANDBOX_UNAVAILABLE', `${path} is setuid or setgid`, {
        hint: `the sandbox needs no privileges: chmod ug-s ${path}`,
      })
    }
  }
}
