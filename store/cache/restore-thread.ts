import { nodeHost } from '../hosts/node.ts'
import { release } from './release.ts'
import { CorruptFrame, perform, type Task } from './restore-files.ts'

/** What a thread of the pool does. Errors of classes of ours would arrive as plain ones, so that one is a value. */
export function run(task: Task): string | undefined {
  try {
    perform(nodeHost, task)
    if ('bytes' in task) release(task.bytes)
    return undefined
  } catch (error) {
    if (error instanceof CorruptFrame) return error.message
    throw error
  }
}
