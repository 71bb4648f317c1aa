import { nodeHost } from '../hosts/node.ts'
import { type SystemError, systemErrorOf } from '../thread-error.ts'
import { release } from './release.ts'
import { CorruptFrame, perform, type Task } from './restore-files.ts'

/** What became of a task in a thread, where it was not done: what is wrong with the bytes, or with the disk. */
export type Problem = string | SystemError

/** What a thread of the pool does. Errors would arrive without what they say beside their message, so they are values. */
export function run(task: Task): Problem | undefined {
  try {
    perform(nodeHost, task)
    if ('bytes' in task) release(task.bytes)
    return undefined
  } catch (error) {
    if (error instanceof CorruptFrame) return error.message
    const problem = systemErrorOf(error)
    if (problem) return problem
    throw error
  }
}
