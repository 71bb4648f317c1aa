import { createRequire } from 'node:module'
import { hostWith, NO_EXCHANGE } from './machine.ts'

/** The real machine, under Node. */
export const nodeHost = hostWith({
  tryLock: (fd, how, byte) => {
    const [offset, length] = byte === undefined ? [0, 0] : [byte, 1]
    return extensions().tryLock(fd, offset, length, { shared: how === 'shared' })
  },
  exchange: (one, other) => {
    try {
      extensions().swapSync(one, other)
      return true
    } catch (error) {
      if (NO_EXCHANGE.includes((error as NodeJS.ErrnoException).code ?? '')) return false
      throw error
    }
  },
  // No machine is started from a store of Node's.
  checkpoint: () => undefined,
})

interface Extensions {
  /** Open-file-description locks of Linux. A length of 0 is all from `offset` on. */
  tryLock(fd: number, offset: number, length: number, options: { shared: boolean }): boolean
  /** The kernel's RENAME_EXCHANGE. */
  swapSync(one: string, other: string): void
}

let loaded: Extensions | undefined
/** Loaded when first used, since it is native code. */
function extensions(): Extensions {
  loaded ??= createRequire(import.meta.url)('fs-native-extensions') as Extensions
  return loaded
}
