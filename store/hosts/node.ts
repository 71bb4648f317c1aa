import { createRequire } from 'node:module'
import { hostWith } from './machine.ts'

/** The real machine, under Node. */
export const nodeHost = hostWith({
  tryLock: (fd, how) => locks().tryLock(fd, { shared: how === 'shared' }),
  // No machine is started from a store of Node's.
  checkpoint: () => undefined,
})

interface Locks {
  tryLock(fd: number, options: { shared: boolean }): boolean
}

let loaded: Locks | undefined
/** Open-file-description locks of Linux; loaded when first used, since it is native code. */
function locks(): Locks {
  loaded ??= createRequire(import.meta.url)('fs-native-extensions') as Locks
  return loaded
}
