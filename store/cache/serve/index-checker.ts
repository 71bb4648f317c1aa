import { MixosError } from '../../../graph/error.ts'
import type { Digest } from '../../../graph/store-path.ts'
import { threadsOf } from '../../threads.ts'
import { checkIndex } from './check-upload.ts'

/** Checks indexes of objects, the large ones in a thread of their own: tens of megabytes take a second. */
export interface IndexChecker {
  /** Says what is wrong; undefined for a right one. */
  problemOf(bytes: Uint8Array, digest: Digest): Promise<string | undefined>
  close(): Promise<void>
}

// Below this, handing it to a thread costs others more than it spares them.
const INLINE_BYTES = 512 << 10

export function indexChecker(): IndexChecker {
  const module = new URL('./check-thread.ts', import.meta.url)
  const thread = threadsOf<{ bytes: Uint8Array; digest: Digest }, string | undefined>(module, 1)
  return {
    problemOf: async (bytes, digest) => {
      if (bytes.length < INLINE_BYTES) return problemWith(bytes, digest)
      return thread.run({ bytes, digest })
    },
    close: () => thread.close(),
  }
}

/** Errors of ours would arrive as plain ones from a thread, so it is a value. */
export function problemWith(bytes: Uint8Array, digest: Digest): string | undefined {
  try {
    checkIndex(bytes, digest)
    return undefined
  } catch (error) {
    if (error instanceof MixosError) return error.message
    throw error
  }
}
