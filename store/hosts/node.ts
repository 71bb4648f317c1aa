import { createRequire } from 'node:module'
import { hostWith } from './machine.ts'

/** The real machine, under Node. */
export const nodeHost = hostWith({
  tryLock: (fd, how, byte) => {
    const [offset, length] = byte === undefined ? [0, 0] : [byte, 1]
    return locks().tryLock(fd, offset, length, { shared: how === 'shared' })
  },
  // No machine is started from a store of Node's.
  checkpoint: () => undefined,
})

interface Locks {
  /** A length of 0 is all from `offset` on. */
  tryLock(fd: number, offset: number, length: number, options: { shared: boolean }): boolean
}

let loaded: Locks | undefined
/** Open-file-description locks of Linux; loaded when first used, since it is native code. */
function locks(): Locks {
  loaded ??= createRequire(import.meta.url)('fs-native-extensions') as Locks
  return loaded
}
