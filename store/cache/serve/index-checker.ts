import { MixosError } from '../../../graph/error.ts'
import type { Digest } from '../../../graph/store-path.ts'
import { threadsOf } from '../../threads.ts'
import { checkIndex, type PackNeed } from './check-upload.ts'

/** Checks indexes of objects, the large ones in a thread of their own: tens of megabytes take a second. */
export interface IndexChecker {
  check(bytes: Uint8Array, digest: Digest): Promise<Checked>
  close(): Promise<void>
}

/** What is wrong with an index, or what it needs. */
export type Checked = { readonly problem: string } | { readonly needs: readonly PackNeed[] }

// Below this, handing it to a thread costs others more than it spares them.
const INLINE_BYTES = 512 << 10

export function indexChecker(): IndexChecker {
  const module = new URL('./check-thread.ts', import.meta.url)
  const thread = threadsOf<{ bytes: Uint8Array; digest: Digest }, Checked>(module, 1)
  return {
    check: async (bytes, digest) => {
      if (bytes.length < INLINE_BYTES) return checked(bytes, digest)
      return thread.run({ bytes, digest })
    },
    close: () => thread.close(),
  }
}

/** Errors of ours would arrive as plain ones from a thread, so it is a value. */
export function checked(bytes: Uint8Array, digest: Digest): Checked {
  try {
    return { needs: checkIndex(bytes, digest) }
  } catch (error) {
    if (error instanceof MixosError) return { problem: error.message }
    throw error
  }
}
