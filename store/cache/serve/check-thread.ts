import type { Digest } from '../../../graph/store-path.ts'
import { problemWith } from './index-checker.ts'

/** What the thread of indexChecker() does. */
export function run(task: { bytes: Uint8Array; digest: Digest }): string | undefined {
  return problemWith(task.bytes, task.digest)
}
