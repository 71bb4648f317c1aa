import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import { asError } from '../thread-error.ts'
import type { Threads } from '../threads.ts'
import { ownBuffer } from './release.ts'
import { CorruptFrame, perform, type Task } from './restore-files.ts'
import type { Problem } from './restore-thread.ts'

/** Does tasks, some of them in threads of their own. */
export interface Workers {
  /** Uses up the bytes of frames. Throws CACHE_INVALID where the bytes are not the wanted ones, and what the disk says. */
  run(task: Task, where: string): Promise<void>
  /** Whether there are other threads for what takes long. */
  readonly areThreads: boolean
  [Symbol.asyncDispose](): Promise<void>
}

// Below this, starting a thread takes longer than the work.
const INLINE_BYTES = 4 << 20

/** Threads of restore-threads.ts, which are used when there is enough to do; without them, this one does it all. */
export function workersOn(
  host: Host,
  { threads }: { threads: Threads<Task, Problem | undefined> | false },
): Workers {
  let seen = 0
  return {
    areThreads: threads !== false,
    run: async (task, where) => {
      seen += sizeOf(task)
      if (!threads || (seen < INLINE_BYTES && task.type !== 'index')) {
        performHere(host, task, where)
        return
      }
      // An index is parsed here too.
      const buffer = task.type === 'frames' ? ownBuffer(task.bytes) : undefined
      const problem = await threads.run(task, buffer && [buffer])
      if (problem === undefined) return
      throw typeof problem === 'string' ? corrupt(where, problem) : asError(problem)
    },
    [Symbol.asyncDispose]: async () => {
      if (threads) await threads.close()
    },
  }
}

function performHere(host: Host, task: Task, where: string): void {
  try {
    perform(host, task)
  } catch (error) {
    if (error instanceof CorruptFrame) throw corrupt(where, error.message)
    throw error
  }
}

function corrupt(where: string, problem: string): MixosError {
  return new MixosError('CACHE_INVALID', `${where}: ${problem}`)
}

function sizeOf(task: Task): number {
  switch (task.type) {
    case 'frames':
      return task.frames.reduce((sum, { size }) => sum + size, 0)
    case 'local':
      return task.files.reduce((sum, { file }) => sum + file.size, 0)
    case 'large':
      return task.file.size
    case 'index':
      return task.bytes.length
  }
}
