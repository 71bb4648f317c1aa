import type { Digest } from '../../../graph/store-path.ts'
import { type Checked, checked } from './index-checker.ts'

/** What the thread of indexChecker() does. */
export function run(task: { bytes: Uint8Array; digest: Digest }): Checked {
  return checked(task.bytes, task.digest)
}
